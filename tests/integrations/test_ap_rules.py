"""The masks that are set at boot, in the file of chzdev."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import (
    NO_MASKS,
    BadRules,
    PersistentMasks,
    ap_rules_text,
    parse_ap_rules,
    read_ap_rules,
    rules_file,
    rules_of,
)
from reconciler.kernel.text_forms import mask_text
from reconciler.model.ids import ALL_IDS, IdSet
from testing.boot_files import write_ap_rules

IDS = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)
MASKS = st.builds(PersistentMasks, st.none() | IDS, st.none() | IDS)
BOTH = PersistentMasks(~IdSet([5]), ~IdSet([4]))
FULL = mask_text(ALL_IDS)


@given(masks=MASKS)
def test_what_is_written_is_read_back(masks: PersistentMasks) -> None:
    """With one mask, both, or none."""
    assert masks == parse_ap_rules(ap_rules_text(masks))


@given(masks=MASKS.filter(lambda one: one != NO_MASKS))
def test_a_line_has_one_mask_of_full_width_as_its_first_key(masks: PersistentMasks) -> None:
    """A reader that looks at nothing but the beginning of lines, as chzdev and ap-check do, finds the same."""
    lines = [line for line in ap_rules_text(masks).splitlines() if line.startswith("ATTR{")]
    found = {
        name: value for line in lines for name, value in re.findall(r'^ATTR\{.*(a[pq]mask)\}="(0x[0-9a-f]{64})"$', line)
    }
    assert {name: mask_text(ids) for name, ids in masks._asdict().items() if ids is not None} == found
    assert len(lines) == len(found)


def test_the_masks_are_set_before_the_driver_is_loaded() -> None:
    """Both ways to find out that the bus is complete lead there, everything else to the end."""
    rules = [rule.keys for rule in rules_of(ap_rules_text(BOTH))]
    names = [[key.name for key in keys] for keys in rules]
    assert [
        ["ACTION", "DEVPATH", "ATTR{bindings_complete_count}", "GOTO"],
        ["ACTION", "SUBSYSTEM", "DEVPATH", "ENV{BINDINGS}", "ENV{COMPLETECOUNT}", "GOTO"],
        ["GOTO"],
        ["LABEL"],
        ["ATTR{../../bus/ap/apmask}"],
        ["ATTR{../../bus/ap/aqmask}"],
        ["RUN{builtin}"],
        ["LABEL"],
    ] == names
    jumps = [keys[-1].value for keys in rules if keys[-1].name in ("GOTO", "LABEL")]
    assert ["ap_set_masks", "ap_set_masks", "ap_end", "ap_set_masks", "ap_end"] == jumps


@pytest.mark.parametrize(
    ("text", "masks"),
    [
        ("", NO_MASKS),
        (f'# ATTR{{../../bus/ap/apmask}}="{FULL}"', NO_MASKS),
        (f'ACTION=="add", ATTR{{../../bus/ap/apmask}}="{FULL}"', NO_MASKS),
        (f'ATTR{{../../bus/ap/apmask}}=="{FULL}"', NO_MASKS),
        ("not a rule", NO_MASKS),
        (f'  ATTR{{../../bus/ap/apmask}}="0x{FULL[2:].upper()}"', PersistentMasks(ALL_IDS, None)),
        (f'ATTR{{apmask}}="{FULL}"\r\nATTR{{aqmask}}="{FULL}"\r\n', PersistentMasks(ALL_IDS, ALL_IDS)),
        (f'ATTR{{apmask}}="{FULL}"\rATTR{{aqmask}}="{FULL}"', PersistentMasks(ALL_IDS, ALL_IDS)),
        (f'\\\r\n# x\n  ATTR{{apmask}}="{FULL}"\n', PersistentMasks(ALL_IDS, None)),
        (f'# x \\\nATTR{{apmask}}="{FULL}"\n', PersistentMasks(ALL_IDS, None)),
        (f'ATTR{{apmask}}="0x{"0" * 64}"\nATTR{{apmask}} = "{FULL}",\\\n RUN+="x"\n', PersistentMasks(ALL_IDS, None)),
    ],
)
def test_only_lines_that_begin_with_the_attribute_count(text: str, masks: PersistentMasks) -> None:
    """Of several the last; lines end and are continued as for udev."""
    assert masks == parse_ap_rules(text)


@pytest.mark.parametrize("value", ["0xff", "", "+5", FULL + "0", FULL[2:], FULL.replace("x", "X"), f" {FULL}"])
def test_a_mask_in_another_form_is_told(value: str) -> None:
    """Chzdev and ap-check end at once where they find one, and the kernel refuses a longer one."""
    with pytest.raises(BadRules, match=r"line 2: apmask .* is not 0x and 64 hex digits"):
        parse_ap_rules(f'# x\nATTR{{../../bus/ap/apmask}}="{value}"\n')


@pytest.mark.parametrize(
    "line", [f"='{FULL}'", f"={FULL}", f'="{FULL}" # mine', f'="{FULL}', f'="{FULL}", \\ ', f'=i"{FULL}"']
)
def test_a_line_that_udev_skips_is_told(line: str) -> None:
    """Though chzdev reads some of them: at boot the mask is not set."""
    with pytest.raises(BadRules, match=r"line 1: udev cannot read the rule that sets apmask"):
        parse_ap_rules(f"ATTR{{../../bus/ap/apmask}}{line}\n")


def test_an_escaped_text_is_told() -> None:
    """Udev reads it, chzdev and ap-check end."""
    with pytest.raises(BadRules, match="is not 0x and 64 hex digits"):
        parse_ap_rules(f'ATTR{{../../bus/ap/apmask}}=e"{FULL}"\n')


def test_the_file_is_written_read_and_removed(tmp_path: Path) -> None:
    """A host without masks has no file."""
    write_ap_rules(tmp_path, NO_MASKS)
    assert NO_MASKS == read_ap_rules(tmp_path)
    write_ap_rules(tmp_path, BOTH)
    assert BOTH == read_ap_rules(tmp_path)
    write_ap_rules(tmp_path, NO_MASKS)
    assert [] == list(rules_file(tmp_path).parent.iterdir())


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    """A folder stands in its place."""
    rules_file(tmp_path).mkdir(parents=True)
    with pytest.raises(BadRules, match="no regular file"):
        read_ap_rules(tmp_path)


def complaints(folder: Path) -> list[str]:
    """What the real udev says about the rules in `folder`."""
    script = 'mount --bind "$1" /etc/udev/rules.d && exec udevadm test /sys/devices/virtual/mem/null'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Reading rules file" not in done.stderr:
        pytest.skip(f"NOT TESTED: our rules in the real udev ({done.stderr.strip()[-200:]})")
    return [line for line in done.stderr.splitlines() if "41-ap.rules:" in line]


def test_the_real_udev_has_nothing_to_say_about_it(tmp_path: Path) -> None:
    """It takes every line; a broken one it would name."""
    for program in ("udevadm", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"NOT TESTED: our rules in the real udev ({program} is not installed)")
    if os.getuid() != 0 or not Path("/etc/udev/rules.d").is_dir():
        pytest.skip("NOT TESTED: our rules in the real udev (only root can bind a folder over /etc/udev/rules.d)")
    write_ap_rules(tmp_path, BOTH)
    file = rules_file(tmp_path)
    assert [] == complaints(file.parent)

    file.write_text(file.read_text() + 'ATTRR{x}="1"\nGOTO="nowhere"\n')
    assert complaints(file.parent)
