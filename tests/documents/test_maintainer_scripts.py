"""The scripts of the Debian package, run on a file system of its own: what each does and prints, command by command."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from packages.record_formats import formats_text
from testing.commands import parsed

ROOT: Final = Path(__file__).parents[2]
PACKAGING: Final = ROOT / "packaging"
STATE: Final = "var/lib/reconciler"
UNITS: Final = "etc/systemd/system"
DEVICE: Final = "sys/devices/vfio_ap/matrix/62177883-f1bb-47f0-914d-32a22e3a8804"


# The command as it is in this clone, without a directory that has to be the current one.
RECONCILE: Final = (
    sys.executable,
    "-c",
    f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from reconciler.cli.main import main; sys.exit(main())",
)


class Installation:
    """A root directory in which dpkg runs the scripts, as with ``--root`` and ``--force-script-chrootless``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._programs = folder / "programs"
        self._ran = folder / "ran"
        for one in (self.root, self._programs):
            one.mkdir()
        self.program("reconcile", f'exec {shlex.join(RECONCILE)} "$@"')
        for name in ("systemctl", "deb-systemd-invoke"):
            self.program(name, f'echo "{name} $*" >>{self._ran}')

    def program(self, name: str, text: str) -> None:
        """A program that the scripts find first."""
        (self._programs / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (self._programs / name).chmod(0o755)

    @property
    def ran(self) -> list[str]:
        """The commands to systemd, in order."""
        return self._ran.read_text(encoding="utf-8").splitlines() if self._ran.exists() else []

    def put(self, *paths: str, text: str = "") -> None:
        """Make files; a path that ends in a slash is a directory."""
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            if path.endswith("/"):
                (self.root / path).mkdir(exist_ok=True)
            else:
                (self.root / path).write_text(text, encoding="utf-8")

    def files(self) -> set[str]:
        """Everything that is there."""
        return {str(one.relative_to(self.root)) for one in self.root.rglob("*")}

    def script(self, name: str, *words: str, code: int = 0) -> str:
        """What a script prints when dpkg runs it with `words`; the formats of records in it are this version's."""
        text = (PACKAGING / f"debian/reconcile.{name}").read_text(encoding="utf-8")
        for line in formats_text().splitlines():
            kind, word = line.split()
            text = text.replace(f"#{kind.upper()}#", word)
        env = {**os.environ, "DPKG_ROOT": str(self.root), "PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-s", "--", *words], input=text, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done
        return done.stdout + done.stderr


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A root directory with nothing in it."""
    return Installation(tmp_path)


def commands_in(text: str) -> list[str]:
    """The commands of ours that `text` names: on lines of their own, after ``run:`` and in quotes."""
    on_lines = re.findall(r"^ *(?:.*run: )?(reconcile (?!:)[a-z][^\n]*?) *(?:#.*|\"|\\n.*)?$", text, re.MULTILINE)
    return [*on_lines, *re.findall(r"'(reconcile [^']+)'", text)]


def test_an_update_across_formats_of_records_is_refused(installation: Installation) -> None:
    """Before anything is replaced, with the commands for it and back; nothing has changed."""
    installation.put("usr/share/reconcile/record-formats", text="kept other\nremade other\n")
    installation.put(f"{STATE}/generations/000001.json", f"{STATE}/watch.json")
    before = installation.files()

    said = installation.script("preinst", "upgrade", "1.2-1", "2.0-1", code=1)

    assert "the new version does not read the records that version 1.2-1 has written in /var/lib/reconciler" in said
    assert "mv /var/lib/reconciler /var/lib/reconciler.1.2-1" in said
    assert str(installation.root) not in said
    assert list(map(parsed, commands_in(said))) == ["reconcile history", "reconcile apply"]
    assert installation.files() == before


def test_the_records_can_be_moved_away_and_back_as_it_is_said(installation: Installation) -> None:
    """Then the update goes through; the way back leaves the records as they were."""
    installation.put("usr/share/reconcile/record-formats", text="kept other\nremade other\n")
    installation.put(f"{STATE}/generations/000001.json")
    before = installation.files()
    said = installation.script("preinst", "upgrade", "1.2-1", "2.0-1", code=1).replace(
        "/var/lib", f"{installation.root}/var/lib"
    )
    (away,) = re.findall(r"^  (mv .*)$", said, re.MULTILINE)
    (back,) = re.findall(r"and: (rm -r .*)$", said, re.MULTILINE)

    subprocess.run(["sh", "-ec", away], check=True)
    assert installation.script("preinst", "upgrade", "1.2-1", "2.0-1") == ""
    installation.put(f"{STATE}/")
    subprocess.run(["sh", "-ec", back], check=True)

    assert installation.files() == before


@pytest.mark.parametrize(
    ("formats", "stays"),
    [(formats_text(), True), (re.sub("(?m)^remade .*$", "remade other", formats_text()), False)],
    ids=["same", "remade"],
)
def test_an_update_goes_through_where_records_can_be_read(
    installation: Installation, formats: str, stays: bool
) -> None:
    """What the loop writes again by itself is removed where it has another format; the history stays."""
    installation.put("usr/share/reconcile/record-formats", text=formats)
    installation.put(f"{STATE}/generations/000001.json", f"{STATE}/watch.json", f"{STATE}/refused.json")

    assert installation.script("preinst", "upgrade", "1.2-1", "2.0-1") == ""
    assert (f"{STATE}/watch.json" in installation.files()) is stays
    assert f"{STATE}/generations/000001.json" in installation.files()


def test_an_update_stops_what_runs_and_starts_it_again(installation: Installation) -> None:
    """Also where the update is given up."""
    installation.put("run/systemd/system/")
    installation.script("prerm", "upgrade", "2.0-1")
    assert "deb-systemd-invoke stop reconcile-watch.service" in installation.ran

    installation.script("postinst", "abort-upgrade", "2.0-1")

    started = [one for one in installation.ran if one.startswith("deb-systemd-invoke start ")]
    assert started == [f"deb-systemd-invoke start reconcile-{name}.service" for name in ("watch", "serve")]
    assert "run/reconcile-restart" not in installation.files()


def test_a_removal_takes_the_services_and_says_what_setup_has_left(installation: Installation) -> None:
    """Units that the command has not made stay, and are named; the way to the rest is a command."""
    installation.put(f"{UNITS}/reconcile-serve.service", text="[Service]\nExecStart=/bin/true\n")
    installation.put(f"{STATE}/setup.json")
    place = installation.root / UNITS
    subprocess.run(
        [*RECONCILE, "service", "install", "boot", "--directory", place, "--state-dir", installation.root / STATE],
        check=True,
        capture_output=True,
    )

    said = installation.script("prerm", "remove")

    assert f"{UNITS}/reconcile-boot.service" not in installation.files()
    assert f"{UNITS}/reconcile-serve.service" in installation.files()
    assert "the unit of serve stays" in said
    assert {*map(parsed, commands_in(said))} == {"reconcile setup"}
    assert "reconcile setup --undo" in said
    assert installation.ran == []


def test_a_removal_says_nothing_of_a_setup_where_there_was_none(installation: Installation) -> None:
    """Nor does a purge name what is not there."""
    installation.put(f"{STATE}/generations/000001.json")

    assert installation.script("prerm", "remove") == ""
    assert installation.script("postrm", "remove") == ""
    assert installation.script("postrm", "purge") == "reconcile: its history and other records are removed\n"
    assert STATE not in installation.files()


def test_a_purge_names_what_stays_and_what_has_to_be_run_before_the_next_one(installation: Installation) -> None:
    """Its records are gone then, so the commands are for a host where the package is still there."""
    installation.put(f"{STATE}/setup.json", "run/reconciler/report.json", "etc/reconciler/lpar7.yaml", f"{DEVICE}/")
    installation.put("etc/udev/rules.d/41-ap.rules", f"{UNITS}/multi-user.target.wants/reconcile-watch.service")

    said = installation.script("postrm", "purge")

    named = re.findall(r"^  (/\S+)$", said, re.MULTILINE)
    assert named == ["/etc/reconciler", f"/{DEVICE}", "/etc/udev/rules.d/41-ap.rules"]
    assert all((installation.root / one[1:]).exists() for one in named)
    assert not {STATE, "run/reconciler", f"{UNITS}/multi-user.target.wants/reconcile-watch.service"} & (
        installation.files()
    )
    assert {*map(parsed, commands_in(said))} == {"reconcile setup", "reconcile apply"}
    assert "  reconcile setup --undo " in said


@pytest.mark.parametrize(
    "script",
    [*sorted(PACKAGING.glob("debian/reconcile.p*")), PACKAGING / "rpm/reconcile.spec"],
    ids=lambda one: one.name,
)
def test_every_command_in_a_script_is_one_of_ours(script: Path) -> None:
    """Also those that only another package system prints."""
    text = script.read_text(encoding="utf-8")
    text = text.partition("\n%pre\n")[2].partition("\n%files\n")[0] or text

    for line in commands_in(text):
        parsed(line.replace("$service", "watch").partition(" 2>")[0].partition(" ${")[0])
