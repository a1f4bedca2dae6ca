"""Whatever others put into names, values and files: nothing of it reaches a terminal, a CI log or the journal raw."""

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli.main import run
from testing.commands import EXAMPLES
from testing.hostile_text import HOSTILE, unsafe_output

UUID = "3783d4a7-df47-58ab-bed9-cee63c6e6f5e"
UNTOUCHED = "\nUNTOUCHED"
"""What a line begins with where a line feed from outside was not escaped."""


class Shown(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def shown(words: list[str], stdin: bytes = b"") -> Shown:
    """Run ``reconcile`` with strict streams."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        patch.setattr(sys, "argv", ["reconcile", *words])
        code = run(words)
    texts = []
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        texts.append(stream.buffer.getvalue().decode())
    return Shown(code, *texts)


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with three guests that were applied on a simulated host."""
    site = tmp_path_factory.mktemp("hostile") / "site"
    shutil.copytree(EXAMPLES / "three-guests", site, ignore=shutil.ignore_patterns("*.state", "*.state.json"))
    assert shown(["apply", "--yes", *where(site), "-f", str(site)]).code == 0
    return site


def where(site: Path) -> list[str]:
    """The options that lead to the host of `site`."""
    return ["--simulate", str(site / "simulated-host.yaml")]


def state(site: Path) -> Path:
    """Where its records are."""
    return site / "simulated-host.yaml.state"


READS = (
    ["plan"],
    ["plan", "-o", "json"],
    ["plan", "-o", "markdown"],
    ["plan", "-o", "diff"],
    ["validate"],
    ["validate", "-o", "json"],
    ["status"],
    ["status", "-o", "json"],
    ["matrix"],
    ["matrix", "-o", "json"],
    ["report", "--html", "-"],
    ["report", "--plan", "--svg", "-"],
    ["drift"],
    ["drift", "-o", "json"],
    ["doctor"],
    ["doctor", "-o", "json"],
    ["history"],
    ["history", "-o", "json"],
    ["history", "show", "1"],
    ["history", "show", "1", "-o", "json"],
    ["rollback", "1"],
    ["import"],
    ["simulate"],
    ["apply"],
)


def file_name(text: str) -> str:
    """`text` as the name of a file, whose bytes need not be UTF-8."""
    encodable = "".join(one for one in text if not "\ud800" <= one <= "\udbff" and one not in "/\0")
    return os.fsdecode(os.fsencode(encodable))[:60] or "x"


def quoted(text: str) -> str:
    """`text` as a scalar in double quotes, with escapes for what YAML does not take raw."""
    return json.dumps("".join(one for one in text if not "\ud800" <= one <= "\udfff"))


def edited(site: Path, old: str, new: str) -> None:
    """Have `new` in place of `old` in the manifest of the guests."""
    file = site / "guests.yaml"
    content = file.read_text(encoding="utf-8")
    assert old in content, content
    file.write_bytes(content.replace(old, new).encode("utf-8", "surrogateescape"))


def in_file_name(site: Path, text: str) -> list[list[str]]:
    """Of a manifest, of one that is broken, of one that is no YAML, and of its folder."""
    folder = site / f"d{file_name(text)}"
    folder.mkdir()
    (folder / f"a{file_name(text)}.yaml").write_text("spec: {adapters: 5}\nkind: Gest\n")
    (folder / f"b{file_name(text)}.yaml").write_bytes(b"\xff")
    (folder / f"c{file_name(text)}.yaml").write_text("a: [\n")
    os.symlink("/etc/hostname", folder / f"d{file_name(text)}.yaml")
    return [*([*one, "-f", str(site)] for one in READS), ["plan", "-f", str(folder / file_name(text))]]


def in_good_file_name(site: Path, text: str) -> list[list[str]]:
    """Of the manifests, which are in order but for two guests that share a queue, or are in order."""
    (site / "guests.yaml").rename(site / f"g{file_name(text)}.yaml")
    file = site / f"h{file_name(text)}.yaml"
    guest = "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: x}\nspec: {adapters: [5], domains: [%s]}\n"
    file.write_text(guest % 4)
    return [
        *([*one, "-f", str(site)] for one in READS),
        ["suspend", "guest1", "--reason", "x"],
        ["plan", "-f", str(site), "--out", str(site / "plan")],
    ]


def in_value(site: Path, text: str) -> list[list[str]]:
    """Of everything in a manifest that takes one."""
    edited(site, "name: guest1\n", f"name: {quoted(text)}\n")
    edited(site, "kind: Guest\n", f"kind: Guest\n{quoted(text)}: {quoted(text)}\n")
    edited(site, "adapters: [5, 6]", f"adapters: {quoted(text)}")
    return [[*one, "-f", str(site)] for one in READS]


def in_label(site: Path, text: str) -> list[list[str]]:
    """Its key and its value."""
    file = site / "guests.yaml"
    file.write_text(re.sub(r"  labels: .*\n", "", file.read_text()))
    edited(site, "name: guest1\n", f"name: guest1\n  labels: {{{quoted(text + 'k')}: {quoted(text)}, b: [1]}}\n")
    edited(site, "name: guest2\n", f"name: guest2\n  labels: {{{quoted(text + 'k')}: {quoted(text)}}}\n")
    return [[*one, "-f", str(site)] for one in READS]


def in_text(site: Path, text: str) -> list[list[str]]:
    """Raw, in the middle of a manifest."""
    edited(site, "name: guest1\n", f"name: guest1 {text}\n")
    return [[*one, "-f", str(site)] for one in READS]


def in_description(site: Path, text: str) -> list[list[str]]:
    """Of the simulated host."""
    file = site / "simulated-host.yaml"
    content = file.read_text()
    file.write_text(re.sub(r"name: \w+", lambda _: f"name: {quoted(text)}", content, count=1))
    return [[*one, "-f", str(site)] for one in READS]


def in_words(site: Path, text: str) -> list[list[str]]:
    """Of a command line."""
    word = text.replace("\0", "")
    return [
        ["suspend", word, "--reason", "x"],
        ["suspend", "--reason", word],
        ["resume", word],
        ["resume", "guest1", word],
        ["history", word],
        ["history", "show", word],
        ["simulate", word],
        ["simulate", "plug", word],
        ["simulate", "start", word],
        ["confirm", word],
        ["rollback", word],
        ["schema", word],
        ["explain", word],
        ["man", word],
        ["explain", f"guest.{word}"],
        ["completion", word],
        [word],
        [f"--{word}"],
        ["plan", "-o", word],
        ["plan", "--host", word, "-f", str(site)],
        ["plan", "-f", word],
        ["plan", "-f", str(site), "--out", f"{site}/missing/{word}"],
        ["apply", f"{site}/{word}"],
        ["apply", "-f", str(site), "--confirm-within", word],
        ["suspend", "--reason", "x", "--for", word],
        ["status", "--watch", "--state-dir", f"{site}/{word}"],
        ["trigger", "--state-dir", f"{site}/{word}"],
        ["validate", "-f", str(site), "--domain-xml", word],
        ["import", "-o", f"{site}/missing/{word}"],
        ["service", "install", "hook", "-f", word, "--directory", str(site)],
        ["service", "install", "hook", "-f", str(site), "--directory", f"{site}/{word}/x"],
        ["service", "uninstall", "hook", "--directory", f"{site}/{word}"],
        ["service", "install", "watch", "--directory", f"{site}/{word}", "-f", word],
        ["service", "install", "watch", "--directory", f"{site}/{word}/x", "-f", f"/{word}"],
        ["service", "install", "boot", "--directory", f"{site}/{word}/x"],
        ["service", "uninstall", "boot", "--directory", f"{site}/{word}"],
    ]


def in_records(site: Path, text: str) -> list[list[str]]:
    """Of everything that earlier runs have written, wherever text stands."""
    for file in state(site).iterdir():
        if file.is_file() and file.suffix == ".json":
            record = json.loads(file.read_bytes())
            file.write_text(json.dumps(_with(record, text)))
    return [["status", "--watch"], *([*one, "-f", str(site)] for one in [*READS, ["rollback", "--yes"]])]


def _with(value: object, text: str, key: str = "") -> object:
    """`value` with `text` behind every text in it that nothing depends on."""
    match value:
        case dict():
            return {name: _with(one, text, name) for name, one in value.items()}
        case list():
            return [_with(one, text, key) for one in value]
        case str() if key in {"user", "command", "commit", "failure", "notes", "message", "text", "help", "reason"}:
            return value + text
    return value


def in_damaged_record(site: Path, text: str) -> list[list[str]]:
    """Where a file that we keep is no record at all."""
    for file in state(site).iterdir():
        if file.is_file() and file.suffix == ".json":
            file.write_text(json.dumps({"formatVersion": text, text: text}))
    return [["status", "--watch"], *([*one, "-f", str(site)] for one in [*READS, ["suspend", "--reason", "x"]])]


def in_plan_file(site: Path, text: str) -> list[list[str]]:
    """Of one that somebody has changed."""
    (site / "a").write_text(json.dumps({"formatVersion": text}))
    (site / "b").write_text(text.encode("utf-8", "replace").decode())
    return [["apply", "--yes", str(site / name)] for name in "ab"]


def in_domain(site: Path, text: str) -> list[list[str]]:
    """Of the XML of a VM: its name, a file's name, what is no XML."""
    attribute = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
    escape = "".join(f"&#{ord(one)};" if one in "\t\n\r<>&\"'" else one for one in attribute)
    device = f"<source><address uuid='{UUID}'/></source>"
    hostdev = f"<hostdev mode='subsystem' type='mdev' model='vfio-{escape}'>{device}</hostdev>"
    files = [site / f"vm{file_name(text)}", site / f"w{file_name(text)}"]
    files[0].write_text(f"<domain><name>{escape}</name><devices>{hostdev}</devices></domain>")
    files[1].write_bytes(os.fsencode(file_name(text)))
    return [
        ["validate", "-f", str(site), "-o", form, "--domain-xml", str(file)]
        for file in files
        for form in ("text", "json")
    ]


def in_selector(site: Path, text: str) -> list[list[str]]:
    """Of labels that somebody asks for, key and value."""
    reads = (["status"], ["status", "guest1"], ["matrix"], ["plan"], ["history"], ["report", "--html", "-"])
    asked = [["-l", f"key={text}"], ["-l", f"{text}=value"]]
    return [[*one, *labels, "-f", str(site)] for one in reads for labels in asked]


SLOTS: tuple[Callable[[Path, str], list[list[str]]], ...] = (
    in_file_name,
    in_good_file_name,
    in_value,
    in_label,
    in_text,
    in_description,
    in_words,
    in_records,
    in_damaged_record,
    in_plan_file,
    in_domain,
    in_selector,
)


def assert_harmless(words: list[str], found: Shown) -> None:
    """Nothing unsafe, no line that others chose, and JSON that everybody can read."""
    assert not unsafe_output(found.out), (words, found)
    assert not unsafe_output(found.err), (words, found)
    assert UNTOUCHED not in found.out + found.err, (words, found)
    assert "Traceback" not in found.err, (words, found)
    assert "this is a bug" not in found.err, (words, found)
    if "json" in words and found.out:
        assert found.out.isascii()
        assert not any("\ud800" <= one <= "\udfff" for one in str(json.loads(found.out)))


@pytest.mark.parametrize("slot", SLOTS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, st.booleans())
def test_nothing_unsafe_comes_out(
    slot: Callable[[Path, str], list[list[str]]],
    applied: Path,
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    ends: bool,
) -> None:
    """Of any command, whatever stands where text from outside may stand."""
    site = shutil.copytree(applied, tmp_path_factory.mktemp("copy") / "site")
    for words in slot(site, f"{text}{UNTOUCHED}" if ends else f"{UNTOUCHED}{text}"):
        given = (
            words if "--state-dir" in words or "watch" in words[:1] or "install" in words else [*words, *where(site)]
        )
        assert_harmless(words, shown(given))
    shutil.rmtree(site)
