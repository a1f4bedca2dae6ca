"""What the doctor finds of how a host boots: present and found, absent and not found."""

from pathlib import Path

import pytest

from reconciler.doctor.boot import Boot, boot_findings, read_boot
from reconciler.doctor.examination import examined
from reconciler.integrations.boot_masks import (
    NO_MASKS,
    MaskParameter,
    MaskRule,
    PersistentMasks,
    mask_parameters,
    rules_file,
)
from reconciler.integrations.kernel_module import early_loaders
from reconciler.integrations.units import BOOT_NAME, Unit
from reconciler.kernel.observe import observe
from reconciler.model.desired import Persistence
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, FULL_MATRIX, Matrix
from reconciler.simulator.host import SimulatedHost
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.boot_files import write_ap_rules
from testing.clocks import FakeClock
from testing.commands import Command, example
from testing.holdings import hardware

RELEASE = "6.12.107"
MASKS = PersistentMasks(~IdSet([5]), None)
GOOD = MaskParameter("apmask", "+0-4", IdSet(range(5)), malformed=False)
BAD = MaskParameter("aqmask", "0Xff", NO_IDS, malformed=True)
RULE = MaskRule("/etc/udev/rules.d/99-x.rules", 3, "apmask", "0xff")
BY_SERVICE = Boot(persistence=Persistence.SERVICE, unit=Unit(installed=True, enabled=True))


def ids(boot: Boot) -> list[str]:
    """What is found."""
    return [f"{one.severity} {one.id}" for one in boot_findings(boot)]


@pytest.mark.parametrize(
    ("boot", "told"),
    [
        (Boot(), []),
        (BY_SERVICE, []),
        (Boot(masks=MASKS), []),
        (Boot(parameters=[GOOD]), ["warning masks-on-command-line"]),
        (Boot(parameters=[BAD]), ["error masks-on-command-line", "error malformed-mask-parameter"]),
        (Boot(parameters=[GOOD, BAD]), ["error masks-on-command-line", "error malformed-mask-parameter"]),
        (Boot(parameters=mask_parameters("ap.apmask=-5,-6")), ["error masks-on-command-line"]),
        (Boot(parameters=mask_parameters("ap.aqmask=")), ["error masks-on-command-line"]),
        (Boot(rules=[RULE]), ["warning foreign-mask-rules"]),
        (Boot(masks="41-ap.rules: line 3: odd"), ["error broken-mask-rules"]),
        (Boot(masks=MASKS, pool=FULL_MATRIX), ["warning masks-not-as-at-boot"]),
        (BY_SERVICE._replace(masks=MASKS, pool=FULL_MATRIX), ["warning masks-not-as-at-boot"]),
        (Boot(masks=MASKS, pool=Matrix(~IdSet([5]), ALL_IDS)), []),
        (Boot(pool=EMPTY_MATRIX), []),
        (Boot(early=["/etc/modules"]), []),
        (Boot(early=["/etc/modules"], masks=MASKS), ["warning vfio-ap-too-early"]),
        (BY_SERVICE._replace(early=["/etc/modules"]), ["warning vfio-ap-too-early"]),
        (Boot(persistence=Persistence.SERVICE), ["error boot-unit-not-enabled"]),
        (BY_SERVICE._replace(unit=Unit(installed=True, enabled=False)), ["error boot-unit-not-enabled"]),
        (BY_SERVICE._replace(persistence=Persistence.NONE), ["warning boot-unit-not-wanted"]),
        (BY_SERVICE._replace(persistence=Persistence.MDEVCTL), ["warning boot-unit-not-wanted"]),
        (BY_SERVICE._replace(persistence=None), []),
        (Boot(persistence=Persistence.MDEVCTL), []),
    ],
)
def test_each_ill_of_a_boot_is_found(boot: Boot, told: list[str]) -> None:
    """And nothing where all is well."""
    assert ids(boot) == told
    assert all(all(one[:5]) for one in boot_findings(boot))


def test_what_is_found_is_named() -> None:
    """So that it can be mended."""
    text = " ".join(one.what for one in boot_findings(Boot([GOOD, BAD], [RULE, RULE], masks="odd", early=["x"])))
    for name in ("ap.apmask=+0-4", "ap.aqmask=0Xff", "/etc/udev/rules.d/99-x.rules:3", "odd"):
        assert name in text


def test_what_the_parameters_leave_the_host_is_said() -> None:
    """The kernel empties a mask first, so that ``-5,-6`` takes everything and not two adapters."""
    (nothing,) = boot_findings(Boot(parameters=mask_parameters("ap.apmask=-5,-6")))
    (some,) = boot_findings(Boot(parameters=mask_parameters("ap.apmask=+0-4")))

    assert "they leave the host's own drivers nothing" in nothing.what
    assert "they leave the host's own drivers adapters 0x00-0x04 (0-4) with domains 0x00-0xff (0-255)" in some.what


def write(root: Path, name: str, text: str) -> None:
    """Make a file below `root`."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "early"),
    [
        ("etc/modules-load.d/ap.conf", "# vfio_ap\n; vfio_ap\npkey\n", False),
        ("etc/modules-load.d/ap.conf", "pkey\nvfio_ap\n", True),
        ("usr/lib/modules-load.d/ap.conf", "vfio-ap", True),
        ("run/modules-load.d/readme", "vfio_ap", False),
        ("etc/modules", "vfio_ap", True),
        ("etc/initramfs-tools/modules", "vfio_ap", True),
        ("etc/dracut.conf.d/90-ap.conf", 'force_drivers+=" vfio_ap "', True),
        ("etc/dracut.conf.d/90-ap.conf", 'omit="x" # vfio_ap', False),
        ("etc/modules", "vfio_ap_more\nmdev_vfio_ap", False),
        ("proc/cmdline", "quiet modules_load=pkey,vfio_ap", True),
        ("proc/cmdline", "quiet rd.driver.pre=vfio_ap x", True),
        ("proc/cmdline", "quiet vfio_ap.x=1 module_blacklist=vfio_ap", False),
        (f"lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/s390/crypto/vfio_ap.ko\n", True),
        (f"usr/lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/s390/crypto/vfio_ap.ko\n", True),
        ("lib/modules/6.1.0/modules.builtin", "kernel/drivers/s390/crypto/vfio_ap.ko\n", False),
        (f"lib/modules/{RELEASE}/modules.builtin", "kernel/drivers/s390/crypto/ap.ko\n", False),
    ],
)
def test_what_loads_the_module_early_is_found(tmp_path: Path, name: str, text: str, early: bool) -> None:
    """Wherever it stands, but for comments."""
    write(tmp_path, name, text)
    assert bool(early_loaders(tmp_path, RELEASE)) is early


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("etc/modprobe.d/ap.conf", "options ap apmask=+0-4 aqmask=0xff\n", [1]),
        ("usr/lib/modprobe.d/ap.conf", "# ap\n\toptions\tap apmask=-5", [2]),
        ("run/modprobe.d/ap.conf", "options vfio_ap x=1\noptions vfio-ap y", [1, 2]),
        ("etc/modprobe.d/ap.conf", "options zcrypt \\\n x=1\noptions \\\n ap \\\n apmask=0x0\noptions ap x", [3, 6]),
        ("etc/modprobe.d/ap.conf", "# options ap apmask=0x0\noptions apple x=1\nblacklist ap\nsoftdep ap pre: x", []),
        ("etc/modprobe.d/readme", "options ap apmask=0x0", []),
    ],
)
@pytest.mark.parametrize(
    ("builtin", "kind"),
    [
        ("", "module-options-without-effect"),
        ("kernel/drivers/s390/crypto/ap.ko\n", "module-options-without-effect"),
        ("kernel/drivers/s390/cio/x.ko\n", "masks-of-module-options"),
    ],
)
def test_options_of_modprobe_are_found(
    tmp_path: Path, name: str, text: str, lines: list[int], builtin: str, kind: str
) -> None:
    """They have no effect, unless the kernel's own list says that the AP bus is a module; vfio_ap has none."""
    write(tmp_path, name, text)
    if builtin:
        write(tmp_path, f"lib/modules/{RELEASE}/modules.builtin", builtin)

    found = boot_findings(read_boot(tmp_path, RELEASE, None))

    expected = "module-options-without-effect" if "vfio" in text else kind
    assert ([expected] if lines else []) == [one.id for one in found]
    assert all(f"{tmp_path / name}:{line}: options " in found[0].what for line in lines)


def test_a_file_hides_those_of_its_name(tmp_path: Path) -> None:
    """As systemd reads them; and an odd release leads nowhere."""
    write(tmp_path, "usr/lib/modules-load.d/ap.conf", "vfio_ap")
    write(tmp_path, "etc/modules-load.d/ap.conf", "")
    assert early_loaders(tmp_path, "../../etc") == ()


def test_everything_is_read_from_the_files(tmp_path: Path) -> None:
    """Of one machine."""
    assert read_boot(tmp_path, RELEASE, None) == Boot((), (), NO_MASKS, (), root=tmp_path)
    write(tmp_path, "proc/cmdline", "ap.apmask=-5 ap.aqmask=0Xff")
    write(tmp_path, "etc/modules", "vfio_ap")
    write(tmp_path, "etc/udev/rules.d/99-x.rules", 'ATTR{apmask}="0xff"')
    write(tmp_path, f"etc/systemd/system/multi-user.target.wants/{BOOT_NAME}", "")
    write(tmp_path, f"etc/systemd/system/{BOOT_NAME}", "")
    write_ap_rules(tmp_path, MASKS)

    found = read_boot(tmp_path, RELEASE, Persistence.NONE)

    assert ids(found) == [
        "error masks-on-command-line",
        "error malformed-mask-parameter",
        "warning foreign-mask-rules",
        "warning vfio-ap-too-early",
        "warning boot-unit-not-wanted",
    ]
    rules_file(tmp_path).write_text('ATTR{../../bus/ap/apmask}="0x1"\n')
    assert "error broken-mask-rules" in ids(read_boot(tmp_path, RELEASE, None))


def test_what_was_applied_last_tells_how_the_host_boots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not what the manifests say by now."""
    command: Command = example("three-guests", tmp_path, capsys)
    host = command.directory / "host.yaml"
    host.write_text(host.read_text().replace("\nspec:\n", "\nspec:\n  persistence: service\n"))
    command("apply", "--yes")
    host.unlink()
    state = StateDirectory(command.directory / "simulated-host.yaml.state")
    machine = OpenHost(SimulatedHost(hardware()), FakeClock(), state, "simulated", "lpar7")

    assert observe(machine.sysfs).vfio_ap
    assert "boot-unit-not-enabled" in {one.id for one in examined(machine, tmp_path / "root")}
    assert "boot-unit-not-enabled" not in {one.id for one in examined(machine, None)}
    write(tmp_path / "root", f"etc/systemd/system/multi-user.target.wants/{BOOT_NAME}", "")
    write(tmp_path / "root", f"etc/systemd/system/{BOOT_NAME}", "")
    assert "boot-unit-not-enabled" not in {one.id for one in examined(machine, tmp_path / "root")}
