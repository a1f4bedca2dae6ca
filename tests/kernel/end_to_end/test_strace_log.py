"""How writes are found in strace's output."""

from kernel.end_to_end.scenarios.strace_log import MadeWrite, made_writes

APMASK = "/sys/bus/ap/apmask"


def test_writes_to_sysfs_are_found_with_value_and_error() -> None:
    """Other files do not count."""
    lines = [
        '70 write(4</sys/bus/ap/apmask>, "0xf0", 4) = 4\n',
        '70 write(2</dev/vport0p2<char 250:2>>, "error\\n", 6) = 6\n',
        '71 write(5</sys/devices/vfio_ap/matrix/x/ap_config>, "a\\n", 2) = -1 EADDRINUSE (Address already in use)\n',
        "70 +++ exited with 0 +++\n",
    ]

    assert made_writes(lines) == [
        MadeWrite("bus/ap/apmask", "0xf0", ""),
        MadeWrite("devices/vfio_ap/matrix/x/ap_config", "a\n", "EADDRINUSE"),
    ]


def test_a_write_that_another_thread_interrupts_in_the_log_keeps_its_error() -> None:
    """Strace then writes it in two lines."""
    lines = [
        f'70 write(4<{APMASK}>, "0xf0", 4 <unfinished ...>\n',
        f'71 write(5<{APMASK}>, "0xf1", 4) = 4\n',
        "70 <... write resumed>) = -1 EBUSY (Device or resource busy)\n",
    ]

    assert made_writes(lines) == [MadeWrite("bus/ap/apmask", "0xf0", "EBUSY"), MadeWrite("bus/ap/apmask", "0xf1", "")]
