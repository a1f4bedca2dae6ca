"""The recipes of the packages say the same as pyproject.toml, and what they bring is what systemd and shells take."""

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from packaging.requirements import Requirement

import reconciler
from kernel.end_to_end.hardware import hardware_of
from lab.ap_hardware import ApHardware
from packages.contents import FORMATS, files, install_page, unit_texts
from packages.lab_machine import CARDS
from packages.record_formats import KINDS, formats_text
from packages.rpm import spec_text
from packages.source import Report
from packages.trial import STAGES, steps
from packages.unpacked_system import interests, unpack_system
from packages.virtual_machine import GUEST
from packages.wheelhouse import locked

ROOT: Final = Path(__file__).parents[2]
DEBIAN: Final = ROOT / "packaging/debian"
DEBIAN_NAMES: Final = {"PyYAML": "python3-yaml"}
"""Those whose package is not named as python3- and the name in lower case."""


def project() -> dict[str, Any]:
    """What pyproject.toml says of the project."""
    described: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return described


def control_field(name: str) -> list[str]:
    """The entries of a field of debian/control, for the first package that has it."""
    text = (DEBIAN / "control").read_text(encoding="utf-8")
    found = re.search(rf"^{name}:(.*(?:\n .*)*)", text, re.MULTILINE)
    assert found is not None
    return [one.strip() for one in found[1].split(",") if one.strip()]


def debian_entry(requirement: Requirement) -> str:
    """The entry of debian/control for what pyproject.toml asks for."""
    name = DEBIAN_NAMES.get(requirement.name, f"python3-{requirement.name.lower()}")
    (bound,) = [one.version for one in requirement.specifier if one.operator == ">="]
    return f"{name} (>= {bound})"


def test_the_debian_changelog_is_of_this_version() -> None:
    """`./run release` writes both."""
    first = (DEBIAN / "changelog").read_text(encoding="utf-8").splitlines()[0]

    assert first.startswith(f"reconcile ({reconciler.__version__}-")


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("Depends", project()["dependencies"]),
        ("Recommends", project()["optional-dependencies"]["web"]),
        ("Build-Depends", [*project()["dependencies"], "hatchling>=1.27"]),
    ],
)
def test_debian_asks_for_what_pyproject_asks_for(field: str, wanted: list[str]) -> None:
    """With the same lower bounds, and nothing more from Python."""
    python = {one for one in control_field(field) if one.startswith("python3-")} - {"python3-all"}

    assert python == {debian_entry(Requirement(one)) for one in wanted}


def test_scripts_of_the_debian_package_can_be_executed() -> None:
    """Git keeps the permission of the rules and of the tests."""
    for file in (DEBIAN / "rules", *(one for one in (DEBIAN / "tests").iterdir() if one.name != "control")):
        assert file.stat().st_mode & stat.S_IXUSR, file


@pytest.mark.parametrize("script", ["preinst", "postinst", "prerm", "postrm"])
def test_scripts_of_the_debian_package_are_shell(script: str) -> None:
    """No step of dpkg ends in a syntax error."""
    file = DEBIAN / f"reconcile.{script}"

    subprocess.run(["sh", "-n", file], check=True)
    assert "#DEBHELPER#" in file.read_text(encoding="utf-8")


def test_units_of_packages_pass_systemd(tmp_path: Path) -> None:
    """No directive is unknown, no path wrong; none says that a command has made it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: the units of the packages by systemd-analyze, which is not here (package systemd)")
    texts = unit_texts("/bin/sh", systemd=252)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )

    assert str(tmp_path) not in done.stderr
    assert all(text.startswith("# Of the package. ") and "Made by" not in text for text in texts.values())


def test_a_package_brings_completion_group_and_directory() -> None:
    """For three shells, and for the user of `reconcile serve`."""
    made = dict(files("/usr/bin/python3", 257, "/usr/share/zsh/site-functions"))

    assert "_RECONCILE_COMPLETE" in made["usr/share/bash-completion/completions/reconcile"]
    assert made["usr/share/zsh/site-functions/_reconcile"].startswith("#compdef reconcile")
    assert "complete " in made["usr/share/fish/vendor_completions.d/reconcile.fish"]
    assert made["usr/lib/sysusers.d/reconcile.conf"].splitlines()[-1] == "g reconciler -"
    assert made["usr/lib/tmpfiles.d/reconcile.conf"].splitlines()[-1] == "d /run/reconciler 0755 root root -"
    assert made[FORMATS] == formats_text()


def test_cockpit_shows_the_page_where_the_package_has_its_command(tmp_path: Path) -> None:
    """The page in a clone looks for the command of a virtual environment."""
    install_page(tmp_path)

    manifest = json.loads((tmp_path / "usr/share/cockpit/reconcile/manifest.json").read_text(encoding="utf-8"))
    assert manifest["conditions"] == [{"path-exists": "/usr/bin/reconcile"}]
    assert {one.name for one in (tmp_path / "usr/share/cockpit/reconcile").iterdir()} == {
        one.name for one in (ROOT / "cockpit").iterdir()
    }


def test_every_record_of_the_state_directory_counts_for_an_update() -> None:
    """A kind of record that comes new has to be named, so that an update knows whether it can read it."""
    source = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "reconciler/transaction").glob("*.py"))
    read = {*re.findall(r"read_record\(\w[\w.]*, [^,]+, (\w+)\)", source), *re.findall(r"read_content\((\w+),", source)}

    named = {kind.__name__ for kinds in KINDS.values() for kind in kinds}
    # `kind` is the parameter of read_record itself; who holds a lock outlives no boot.
    assert read - {"kind", "_Holder"} - named == set(), "add it to KINDS in packages/record_formats.py"


def test_a_field_more_is_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """So an update that does not read what is there is refused before anything of it is replaced."""

    class One(NamedTuple):
        number: int

    class Two(NamedTuple):
        number: int
        name: str

    found = []
    for kind in (One, Two):
        monkeypatch.setitem(KINDS, "kept", (kind,))
        found.append(formats_text())

    assert found[0] != found[1]


def test_nothing_of_a_package_that_pip_checks_is_left_to_the_day() -> None:
    """The bill of materials lists what the lock of the tests has, without the tests."""
    locked, run_time = (
        set(
            re.findall(r"^[a-z0-9-]+==[^ ;]+", (ROOT / "requirements" / name).read_text(encoding="utf-8"), re.MULTILINE)
        )
        for name in ("locked.txt", "run-time.txt")
    )

    assert run_time < locked


def test_the_last_line_of_each_check_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it where the check failed, and that is counted."""
    report = Report()

    report.add("lintian", "", ok=True, empty="no errors")
    report.add("twine check", "one\ntwo\n\n", ok=True)
    report.add("mandoc", "first\nlast\n", ok=False)

    assert report.failed == 1
    out, err = capsys.readouterr()
    assert [line.split(maxsplit=1)[-1].split("  ")[-1].strip() for line in out.splitlines()] == [
        "no errors",
        "two",
        "last",
    ]
    assert err == "first\nlast\n"


def test_the_spec_asks_for_what_pyproject_asks_for() -> None:
    """With the same lower bounds; and it is of this version."""
    spec = (ROOT / "packaging/rpm/reconcile.spec").read_text(encoding="utf-8")
    asked = {
        field: set(re.findall(rf"^{field}: +python3dist\(([a-z0-9-]+)\) >= (\S+)", spec, re.MULTILINE))
        for field in ("Requires", "Recommends")
    }
    wanted = {"Requires": project()["dependencies"], "Recommends": project()["optional-dependencies"]["web"]}

    assert asked == {
        field: {(one.name.lower(), str(one.specifier).removeprefix(">=")) for one in map(Requirement, entries)}
        for field, entries in wanted.items()
    }
    assert f"\nVersion:        {reconciler.__version__}\n" in spec


def test_the_spec_gets_the_words_for_the_formats_of_records() -> None:
    """An update compares them with those of the installed version."""
    text = spec_text(ROOT / "packaging/rpm/reconcile.spec")

    assert "@" not in text.replace("reconcile@packages.example.org", "").partition("\nName:")[2]
    assert all(line.split()[1] in text for line in formats_text().splitlines())


def test_the_private_spec_has_the_scripts_and_files_of_the_first() -> None:
    """Run by its own interpreter, and on a host where the first one is not."""
    text = spec_text(ROOT / "packaging/rpm/reconcile-private.spec")
    first = spec_text(ROOT / "packaging/rpm/reconcile.spec")

    assert {"%pre", "%post", "%preun", "%postun", "%posttrans"} <= set(text.splitlines())
    assert "python3 -m compileall" not in text
    assert "@SCRIPTS@" not in text.partition("\nName:")[2]
    assert "\nConflicts:      reconcile\n" in text
    shared = [
        one for one in re.findall(r"^%\{_.*", first.partition("%files\n")[2], re.MULTILINE) if "cockpit" not in one
    ]
    assert set(shared) <= set(text.splitlines())


def test_a_wheelhouse_has_every_package_that_runs() -> None:
    """Each with its hashes, so that pip takes these files or none."""
    entries = {one.name: one for one in locked()}

    assert {"click", "jinja2", "markupsafe", "pyyaml", "rpds-py", "zhmcclient"} <= entries.keys()
    assert all(one.version and "--hash=sha256:" in one.text for one in entries.values())


@pytest.mark.parametrize("script", ["story", "simulated-host"])
def test_scripts_of_the_machines_that_boot_are_shell(script: str) -> None:
    """And git keeps their permission, since units run them."""
    file = GUEST / script

    subprocess.run(["sh", "-n", file], check=True)
    assert file.stat().st_mode & stat.S_IXUSR


def test_the_story_of_an_installation_has_every_stage() -> None:
    """A stage that it does not know would do nothing, and look as if all went well."""
    text = (GUEST / "story").read_text(encoding="utf-8")

    assert re.findall(r"^    (\w+)\)$", text, re.MULTILINE)[: len(STAGES)] == list(STAGES)


def test_units_of_the_machine_that_boots_run_what_is_there() -> None:
    """What they name in /job/guest is in the archive of each boot."""
    named = {
        name
        for file in [*GUEST.glob("*.service"), GUEST / "modprobe.conf"]
        for name in re.findall(r"/job/guest/([\w-]+)", file.read_text(encoding="utf-8"))
    }

    assert named == {"simulated-host"}
    assert all((GUEST / name).exists() for name in named)


def test_a_step_is_reported_with_all_that_it_said_only_where_it_failed() -> None:
    """Lines that are no step belong to the next one."""
    lines = ["noise", "install\tok\tversion 1 (3 s)", "| line 1", "| line 2", "update\tFAILED\tno (1 s)", "rest"]

    assert steps(lines) == [
        ("install", "noise\nversion 1 (3 s)", True),
        ("update", "| line 1\n| line 2\nno (1 s)", False),
    ]


def built_package(folder: Path, control: str, files: dict[str, str], **parts: str) -> Path:
    """A Debian package with these files, by path, and these parts beside the control file."""
    for path, text in {**files, "DEBIAN/control": control, **{f"DEBIAN/{n}": t for n, t in parts.items()}}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    package = folder.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", folder, package], check=True, capture_output=True)
    return package


CONTROL: Final = """Package: {}
Version: 1:2-3
Architecture: s390x
Multi-Arch: {}
Maintainer: A Person <person@example.org>
Description: what it is
 and more
"""


def test_dpkg_knows_what_was_unpacked_for_another_architecture(tmp_path: Path) -> None:
    """It has only to be configured there; a library has its architecture in its name, as others may come beside it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("NOT TESTED: what dpkg says of an unpacked system, since dpkg is not here")
    packages = [
        built_package(
            tmp_path / "base-passwd",
            CONTROL.format("base-passwd", "foreign"),
            {"usr/share/base-passwd/passwd.master": "root\n", "usr/share/base-passwd/group.master": "root\n"},
        ),
        built_package(
            tmp_path / "libone",
            CONTROL.format("libone", "same"),
            {"etc/one.conf": "text\n", "usr/lib/one": ""},
            conffiles="/etc/one.conf\n",
            triggers="interest-noawait ldconfig\n",
        ),
    ]

    root = tmp_path / "root"
    unpack_system(packages, root)

    def asked(*words: str) -> list[str]:
        command = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    shown = "${binary:Package} ${Version} ${db:Status-Status}${Conffiles}\n"
    assert asked("--show", f"--showformat={shown}") == [
        "base-passwd:s390x 1:2-3 unpacked",
        "libone:s390x 1:2-3 unpacked /etc/one.conf e1cbb0c3879af8347246f12c559a86b5",
    ]
    assert asked("--listfiles", "libone:s390x") == ["/.", "/etc", "/etc/one.conf", "/usr", "/usr/lib", "/usr/lib/one"]
    assert asked("--control-list", "libone:s390x") == ["triggers"]
    assert (root / "etc/one.conf").read_text(encoding="utf-8") == "text\n"
    assert (root / "etc/passwd").read_text(encoding="utf-8") == "root\n"
    assert (root / "var/lib/dpkg/triggers/ldconfig").read_text(encoding="utf-8") == "libone:s390x/noawait\n"


def test_triggers_are_kept_as_dpkg_keeps_them() -> None:
    """Paths in one file, names in a file each; what a package activates is no interest."""
    text = """# a comment
interest-noawait /usr/lib/udev/hwdb.d
interest /usr/share/shells.d
interest-await one
activate-noawait ldconfig
"""

    assert interests("udev", text) == [
        ("File", "/usr/lib/udev/hwdb.d udev/noawait"),
        ("File", "/usr/share/shells.d udev"),
        ("one", "udev"),
    ]


def test_the_machine_of_the_lab_has_the_cards_of_the_example() -> None:
    """The manifests of the trial are those of the same example."""
    simulated = hardware_of(ROOT / "examples/three-guests/simulated-host.yaml")

    assert ApHardware(CARDS).change({"op": "show"}) == ApHardware(simulated).change({"op": "show"})
