"""Who else sets the masks: other udev rules and the kernel's command line are all found."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import (
    MaskParameter,
    MaskRule,
    PersistentMasks,
    ap_rules_text,
    foreign_rules,
    mask_parameters,
    read_foreign_rules,
    read_mask_parameters,
    read_rules,
    rules_file,
)
from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet

OWN = "etc/udev/rules.d/41-ap.rules"
BOTH = ap_rules_text(PersistentMasks(~IdSet([5]), ~IdSet([4])))
FULL = mask_text(ALL_IDS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (f'# ATTR{{../../bus/ap/apmask}}="{FULL}"\n', []),
        (f'ATTR{{../../bus/ap/apmask}}=="{FULL}", RUN+="x"', []),
        (f'\nKERNEL=="ap", ATTR{{apmask}}="{FULL}"\n', [(2, "apmask", FULL)]),
        ('KERNEL=="ap",\\\n  ATTR{aqmask}:="0xf"', [(1, "aqmask", "0xf")]),
        (
            "RUN+=\"/bin/sh -c 'echo -5 > /sys/bus/ap/apmask; echo -4 > /sys/bus/ap/aqmask'\"",
            [
                (1, "apmask", "/bin/sh -c 'echo -5 > /sys/bus/ap/apmask; echo -4 > /sys/bus/ap/aqmask'"),
                (1, "aqmask", "/bin/sh -c 'echo -5 > /sys/bus/ap/apmask; echo -4 > /sys/bus/ap/aqmask'"),
            ],
        ),
        ('PROGRAM="/sbin/chzdev --type ap apmask=5"', [(1, "apmask", "/sbin/chzdev --type ap apmask=5")]),
        ('ENV{x}="apmask"', []),
    ],
)
def test_every_rule_that_changes_a_mask_is_found(text: str, found: list[tuple[int, str, str]]) -> None:
    """With its line; a question is no change, nor is a word."""
    assert [MaskRule("x.rules", *one) for one in found] == list(foreign_rules({"x.rules": text}, OWN))


def test_chzdevs_own_lines_are_not_foreign() -> None:
    """In its own file; others in it, and its lines in another file, are."""
    odd = f'ACTION=="add", ATTR{{../../bus/ap/apmask}}="{FULL}"\n'
    files = {OWN: BOTH + odd, "usr/lib/udev/rules.d/99.rules": BOTH}
    found = foreign_rules(files, OWN)
    assert [OWN, "usr/lib/udev/rules.d/99.rules", "usr/lib/udev/rules.d/99.rules"] == [one.file for one in found]


@given(text=st.text() | st.lists(st.sampled_from(['ATTR{apmask}="', '"', "\\", "\n", "#", ",", "=="])).map("".join))
def test_any_text_is_read(text: str) -> None:
    """Nothing is raised, whatever stands in a rule file."""
    assert all(one.line <= text.count("\n") + 1 for one in foreign_rules({"x": text}, OWN))


def test_the_folders_of_udev_are_read(tmp_path: Path) -> None:
    """A file hides those of its name in later folders; a link to /dev/null only hides."""
    rule = 'ATTR{apmask}="0x1"\n'
    for name, text in {
        OWN: BOTH,
        "run/udev/rules.d/41-ap.rules": rule,
        "usr/lib/udev/rules.d/50-masks.rules": rule,
        "usr/lib/udev/rules.d/60-hidden.rules": rule,
        "usr/lib/udev/rules.d/readme": rule,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "etc/udev/rules.d/60-hidden.rules").symlink_to("/dev/null")

    assert [str(rules_file(tmp_path)), str(tmp_path / "usr/lib/udev/rules.d/50-masks.rules")] == list(
        read_rules(tmp_path)
    )
    assert [(str(tmp_path / "usr/lib/udev/rules.d/50-masks.rules"), 1, "apmask", "0x1")] == list(
        read_foreign_rules(tmp_path)
    )


@pytest.mark.parametrize(
    ("command_line", "found"),
    [
        ("", []),
        ("root=/dev/dasda1 ap.domain=4 xap.apmask=1 apmask=0x1 ap.apmask", []),
        (f"ap.aqmask={FULL} ap.apmask=0x41", [("apmask", "0x41", IdSet([1, 7])), ("aqmask", FULL, ALL_IDS)]),
        ("ap.aqmask=+0-3,-2", [("aqmask", "+0-3,-2", IdSet([0, 1, 3]))]),
        ("ap.aqmask=-4", [("aqmask", "-4", NO_IDS)]),
        ("ap.aqmask=0x1 ap.aqmask=0x8", [("aqmask", "0x8", IdSet([0]))]),
        ('quiet "ap.apmask=0x8" x="a ap.aqmask=0x8"\n', [("apmask", "0x8", IdSet([0]))]),
        ('ap.apmask="0x8"', [("apmask", "0x8", IdSet([0]))]),
        ('ap.apmask="0x8', [("apmask", "0x8", IdSet([0]))]),
        ('"ap.apmask=0x8', [("apmask", "0x8", IdSet([0]))]),
        ("ap.apmask=", [("apmask", "", NO_IDS)]),
        ("ap.apmask=0x", [("apmask", "0x", NO_IDS)]),
        ("ap.apmask=-5,-6", [("apmask", "-5,-6", NO_IDS)]),
        ("ap.apmask=+0-255,-5", [("apmask", "+0-255,-5", ~IdSet([5]))]),
        ("ap.apmask=+010,+0x10-0X11,", [("apmask", "+010,+0x10-0X11,", IdSet([8, 16, 17]))]),
        ("ap.apmask=ff", [("apmask", "ff", IdSet(range(8)))]),
        ("ap.apmask=0x8\xa0ap.aqmask=0x8", [("apmask", "0x8", IdSet([0])), ("aqmask", "0x8", IdSet([0]))]),
        ("ap.apmask=0x8\tap.useirq=1\vap.aqmask=0x8", [("apmask", "0x8", IdSet([0])), ("aqmask", "0x8", IdSet([0]))]),
        (f"ap.apmask=0x8 ap.apmask={'0' * 1025}", [("apmask", "0x8", IdSet([0]))]),
        ("AP.apmask=0x8 ap.APMASK=0x8 ap.apmask_=0x8", []),
        ("--=x ap.apmask=0x8", [("apmask", "0x8", IdSet([0]))]),
        ("ap.apmask=0x8 --x ap.aqmask=0x8", [("apmask", "0x8", IdSet([0])), ("aqmask", "0x8", IdSet([0]))]),
        ("ap.apmask=0x8 -- ap.aqmask=0x8", [("apmask", "0x8", IdSet([0]))]),
    ],
)
def test_masks_on_the_command_line_are_read_as_the_kernel_reads_them(
    command_line: str, found: list[tuple[str, str, IdSet]]
) -> None:
    """Absolute and relative ones; the last one of each counts."""
    assert [MaskParameter(*one, False) for one in found] == list(mask_parameters(command_line))


@pytest.mark.parametrize(
    "text",
    [
        *("5-6", "0X41", "0XFF", "+256", "+5-4", "+5,6", ",+5", "-5,6", "0xfg", "0x" + "f" * 65, "0" * 65, "+", "+08"),
        *("all", '0x"41"', "+5;+6", "0x41,0x42"),
    ],
)
def test_a_mask_that_the_kernel_cannot_read_is_empty(text: str) -> None:
    """The host loses every queue, so that it is told."""
    assert (MaskParameter("apmask", text, NO_IDS, True),) == mask_parameters(f"ap.apmask={text} quiet")


def test_the_command_line_of_the_running_kernel_is_read(tmp_path: Path) -> None:
    """From proc; without one there are no masks."""
    assert () == read_mask_parameters(tmp_path)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("quiet ap.apmask=0x8\n")
    assert ["apmask"] == [one.mask for one in read_mask_parameters(tmp_path)]
    assert all(one.mask in ("apmask", "aqmask") for one in read_mask_parameters(Path("/")))
