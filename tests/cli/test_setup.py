"""``reconcile setup`` and ``--undo``: nothing before a yes, all of it or nothing, and just that is taken back."""

import json
import re
import shlex
import subprocess
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import open_host as open_host_module
from reconciler.cli import setup_services, watch_install
from reconciler.hosts import opening
from reconciler.integrations.boot_masks import PersistentMasks
from reconciler.kernel.processes import Done
from reconciler.model.ids import IdSet
from reconciler.model.steps import Definition
from reconciler.transaction.open_host import OpenHost
from testing.boot_files import write_ap_rules, write_definition
from testing.clocks import NoTimer
from testing.commands import Command, Ran, at_terminal, parsed, without_terminal
from testing.holdings import config

DEVICE = "62177883-f1bb-47f0-914d-32a22e3a8804"
FRESH = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "6.12"
  adapters: [{id: 5}, {id: 6}]
  usageDomains: [4-6, 0x47]
"""
USED = f"""\
{FRESH}  pool: {{adapters: [0-4, 6-255], domains: [0-3, 5-255]}}
  mdevs:
    - {{uuid: {DEVICE}, adapters: [5], domains: [4, 0x47]}}
  vms: [{DEVICE}]
"""
UNITS = ("reconcile-boot.service", "reconcile-watch.service")


class Machine(Command):
    """A simulated host that counts as this machine, with directories for all that a setup makes."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder, capture)
        self.site, self.state = folder / "etc/reconciler", folder / "state"
        self.units, self.hooks = folder / "units", folder / "hooks/qemu.d"
        self.units.mkdir()
        self.ran: list[tuple[str, ...]] = []
        self.refused = ""
        self.simulated_host.write_text(USED)

    @property
    def manifests(self) -> Path:
        """What a setup writes."""
        return self.site / "lpar7.yaml"

    @property
    def root(self) -> Path:
        """What the paths of the files of other tools begin with."""
        return self.state / "root"

    def setup(self, *words: str, yes: bool = True) -> Ran:
        """Run ``reconcile setup``."""
        place = ("--directory", str(self.units), "--hooks", str(self.hooks), "--state-dir", str(self.state))
        manifests = () if "--undo" in words else ("-f", str(self.site))
        return self.bare("setup", *words, *place, *manifests, *(["--yes"] if yes else []))

    def undo(self) -> Ran:
        """Run ``reconcile setup --undo``."""
        return self.setup("--undo")

    def on(self, *words: str) -> Ran:
        """Run a command for this host."""
        return self.bare(*words, "--state-dir", str(self.state))

    def files(self) -> dict[str, bytes]:
        """Everything in the file system but our records and the simulated host."""
        parts = (self.site, self.units, self.hooks.parent, self.root)
        return {
            str(one): b"" if one.is_dir() else one.read_bytes() for part in parts for one in sorted(part.rglob("*"))
        }

    def systemctl(self, words: tuple[str, ...], _: float) -> Done:
        """What stands in for systemctl; it fails where `refused` is among the words."""
        self.ran.append(tuple(words[1:]))
        return Done(int(self.refused in words), "", "")


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A host whose device was made by hand."""
    made = Machine(tmp_path, capsys)

    def opened(sysfs: str, **options: Any) -> AbstractContextManager[OpenHost]:
        assert sysfs == "/sys"
        return opening.open_simulated_host(made.simulated_host, **options)

    monkeypatch.setattr(open_host_module, "open_host", opened)
    monkeypatch.setattr(opening, "timer_of", lambda *_: NoTimer())
    monkeypatch.setattr("reconciler.cli.service_command.run_tool", made.systemctl)
    monkeypatch.setattr(watch_install, "run_tool", made.systemctl)
    monkeypatch.setattr(watch_install, "needs", partial(watch_install.needs, hidden=()))  # pytest works in /tmp
    monkeypatch.setattr("reconciler.cli.asking.TERMINAL", "/nonexistent")
    return made


def generations(machine: Machine) -> list[int]:
    """The numbers of the generations in the history."""
    return [one["number"] for one in json.loads(machine.on("history", "-o", "json").out)["generations"]]


def commands_in(text: str) -> list[str]:
    """The commands that `text` shows on lines of their own."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith("reconcile ")]


def test_a_host_with_a_guest_is_set_up_without_a_change_to_it(machine: Machine) -> None:
    """Manifests that everybody can read, the first generation, and the services that fit."""
    before = machine.bare("simulate", "--simulate", str(machine.simulated_host)).out

    ran = machine.setup()

    assert (ran.code, ran.err.partition("\n")[0]) == (
        0,
        f"set up; to take it back: reconcile setup --undo --state-dir {machine.state}",
    )
    assert machine.bare("simulate", "--simulate", str(machine.simulated_host)).out == before
    assert (machine.manifests.stat().st_mode & 0o777, machine.site.stat().st_mode & 0o777) == (0o644, 0o755)
    assert f"uuid: {DEVICE}" in machine.manifests.read_text()
    assert "persistence: service" in machine.manifests.read_text()
    assert generations(machine) == [1]
    assert {one.name for one in machine.units.iterdir()} == set(UNITS)
    assert ("enable", str(machine.units / "reconcile-boot.service")) in machine.ran
    assert " watch -f " in (machine.units / "reconcile-watch.service").read_text()
    assert "--apply" not in (machine.units / "reconcile-watch.service").read_text()
    assert "Nothing to do" in machine.on("plan", "-f", str(machine.site)).out


def test_what_is_there_is_shown_before_anything_is_done(machine: Machine) -> None:
    """The device, the masks, the doctor's findings, the manifests, and each command that would be run."""
    text = machine.setup(yes=False).out

    for shown in (
        "Host lpar7: kernel 6.12.107, 2 adapters, 8 queues, 1 mediated device",
        "host pool   everything but adapter 0x05 (5) and domain 0x04 (4)",
        DEVICE,
        "mdevctl     none",
        f"{machine.manifests} will be written",
        "  | kind: Guest",
        "Plan: nothing to do",
        "hook   none: there is no libvirt",
    ):
        assert shown in text, shown
    found = commands_in(text)
    assert [parsed(one) for one in found] == ["reconcile service install boot", "reconcile service install watch"]


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("words", [(), ("--undo",)], ids=["setup", "undo"])
def test_what_is_shown_fits_the_page(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], columns: int
) -> None:
    """But for commands and paths, which stay whole, and what is quoted of the manifests, on a page narrower than 80."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = [machine.setup(yes=False).out] if not words else []
    machine.setup()
    (machine.site / "more.yaml").write_text("")
    shown += [machine.setup(*words, yes=False).out]

    for line in "".join(shown).splitlines():
        is_whole = re.match(r" *\|? ?#? *(reconcile |/\S+$)", line) or " /" in line or line.startswith("Manifests: ")
        assert len(line) <= (80 if line.startswith("  | ") else columns) or is_whole, line
    commands = [one for text in shown for one in commands_in(text)]
    assert commands
    assert all(parsed(one) for one in commands)


def test_before_the_yes_nothing_is_said_to_be_done(machine: Machine) -> None:
    """What a yes would do is in the future, in a setup and in what takes it back."""
    done = re.compile(r"\b(?:is|are) (?:written|installed|removed|recorded)\b")

    proposed = machine.setup(yes=False)
    machine.setup()
    taken_back = machine.setup("--undo", yes=False)

    for ran in (proposed, taken_back):
        assert not done.search(ran.out), ran.out
        assert "will be" in ran.out


def test_without_a_terminal_and_a_yes_nothing_is_done(machine: Machine) -> None:
    """The exit code says that there would be something, and the last line how to have it done."""
    ran = machine.setup(yes=False)

    assert ran.code == 2
    line = ran.err.splitlines()[-1].rpartition("to do it: ")[2]
    assert parsed(line) == "reconcile setup"
    assert line.endswith("--yes")
    assert (machine.files(), machine.site.parent.exists(), machine.ran) == ({}, False, [])
    assert not machine.state.exists()


def test_a_program_gets_what_is_there_and_what_would_be_done(machine: Machine) -> None:
    """Nothing is done; the command that is printed does just that."""
    ran = machine.setup("-o", "json", yes=False)
    found = json.loads(ran.out)

    assert (ran.code, ran.err) == (2, "")
    assert (machine.files(), machine.state.exists(), machine.ran) == ({}, False, [])
    assert found["host"] == "lpar7"
    assert found["found"]["adapters"] == [5, 6]
    (device,) = found["found"]["devices"]
    assert (device["uuid"], device["inUse"], device["authorised"]["domains"]) == (DEVICE, True, [4, 0x47])
    assert found["manifests"]["file"] == str(machine.manifests)
    assert found["plan"]["steps"] == []
    assert [one["name"] for one in found["services"] if one["command"]] == ["boot", "watch"]
    assert all(parsed(one["command"]) for one in found["services"] if one["command"])

    assert parsed(found["command"]) == "reconcile setup"
    assert machine.bare(*shlex.split(found["command"])[1:]).code == 0
    assert machine.manifests.read_text() == found["manifests"]["text"]
    again = machine.setup("-o", "json", yes=False)
    assert (again.code, json.loads(again.out)["command"], json.loads(again.out)["manifests"]) == (0, None, None)


def test_a_program_gets_what_an_undo_would_take_back(machine: Machine) -> None:
    """Likewise; nothing where nothing is recorded."""
    nothing = json.loads(machine.setup("--undo", "-o", "json", yes=False).out)
    assert (nothing["command"], nothing["manifests"], nothing["services"]) == (None, [], [])
    machine.setup()
    before = machine.files()

    ran = machine.setup("--undo", "-o", "json", yes=False)
    found = json.loads(ran.out)

    assert (ran.code, machine.files()) == (2, before)
    assert found["manifests"] == [str(machine.manifests)]
    uninstalling = [f"reconcile service uninstall {name}" for name in ("watch", "boot")]
    assert [parsed(one["command"]) for one in found["services"]] == uninstalling
    assert machine.bare(*shlex.split(found["command"])[1:]).code == 0
    assert machine.files() == {}


def test_a_program_gets_why_nothing_can_be_set_up(machine: Machine) -> None:
    """The plan has the errors, and there is no command; manifests that cannot be read are an error as ever."""
    machine.site.mkdir(parents=True)
    (machine.site / "site.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\nspec: {pool: {}}\n---\n"
        "apiVersion: reconciler/v1\nkind: Guest\nmetadata: {name: web}\n"
        "spec: {adapters: [5], domains: [4], presence: required}\n"
    )

    ran = machine.setup("-o", "json", yes=False)

    assert ran.code == 4
    assert (json.loads(ran.out)["command"], json.loads(ran.out)["plan"]["summary"]["valid"]) == (None, False)


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_person_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str) -> None:
    """On a simulated host, too, which has no services."""
    command = Command(tmp_path, capsys)
    command.simulated_host.write_text(USED)
    where = ("--simulate", str(command.simulated_host))
    with at_terminal("setup", "-f", str(tmp_path / "site"), *where) as person:
        person.sees("a service is for the machine that it is installed on")
        person.sees("Set this up? [y/N]: ")
        person.enters(answer)
        code = person.ended()

    assert (code, (tmp_path / "site/lpar7.yaml").exists()) == {"n": (4, False), "y": (0, True)}[answer]
    if answer == "y":
        assert without_terminal(["setup", "--undo", *where]).returncode == 2
        with at_terminal("setup", "--undo", *where) as person:
            person.sees("Take it back? [y/N]: ")
            person.enters("y")
            assert person.ended() == 0
        assert not (tmp_path / "site").exists()


def test_a_fresh_host_gets_a_host_without_guests(machine: Machine) -> None:
    """And boots into what is applied once there are guests."""
    machine.simulated_host.write_text(FRESH)

    assert machine.setup().code == 0
    assert "kind: Guest" not in machine.manifests.read_text()
    assert generations(machine) == [1]
    assert machine.undo().code == 0
    assert machine.files() == {}


def test_a_second_run_finds_nothing_to_do(machine: Machine) -> None:
    """No question, no change."""
    assert machine.setup().code == 0
    before, ran = machine.files(), list(machine.ran)

    again = machine.setup(yes=False)

    assert (again.code, again.err.partition("\n")[0]) == (0, "nothing to do: this host is set up")
    assert (machine.files(), machine.ran) == (before, ran)
    assert "stay as they are (1 file, valid)" in again.out


def test_a_later_setup_adds_what_was_left_out(machine: Machine) -> None:
    """And one undo takes back both."""
    assert machine.setup("--without", "watch").code == 0
    assert not (machine.units / "reconcile-watch.service").exists()

    assert machine.setup("--apply").code == 0

    assert " --apply " in (machine.units / "reconcile-watch.service").read_text()
    assert machine.undo().code == 0
    assert machine.files() == {}


def test_the_server_and_the_hook_are_proposed_where_they_can_work(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the group of the package, and libvirt; the hook reads manifests, since no loop enforces any."""
    machine.hooks.parent.mkdir()
    for module in ("setup_services", "service_command"):
        monkeypatch.setattr(f"reconciler.cli.{module}.group_id", lambda: 1)

    ran = machine.setup()

    assert ran.code == 0, ran.err
    assert (machine.hooks / "reconcile").is_file()
    assert f"-f {machine.site}" in (machine.hooks / "reconcile").read_text()
    assert (machine.units / "reconcile-serve.socket").is_file()
    assert machine.undo().code == 0
    assert machine.files() == {}
    assert machine.hooks.parent.is_dir()


def test_manifests_that_are_there_stay(machine: Machine) -> None:
    """They are read, their plan is shown, and not applied; an undo does not remove them."""
    machine.site.mkdir(parents=True)
    head = "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\n"
    text = f"{head}spec: {{pool: {{adapters: [5, 6], domains: [4]}}}}\n"
    (machine.site / "host.yaml").write_text(text)

    ran = machine.setup()

    assert ran.code == 0, ran.err
    assert "Plan, which is not applied by this:" in ran.out
    assert "boot   none: the Host says 'persistence: none'" in ran.out
    assert f"reconcile apply -f {machine.site}" in ran.err
    assert generations(machine) == []
    assert [one.name for one in machine.site.iterdir()] == ["host.yaml"]
    assert {one.name for one in machine.units.iterdir()} == {"reconcile-watch.service"}
    assert machine.undo().code == 0
    assert machine.files() == {str(machine.site / "host.yaml"): text.encode()}


def test_manifests_that_cannot_be_used_end_it(machine: Machine) -> None:
    """With the problem and its place; nothing is made."""
    machine.site.mkdir(parents=True)
    (machine.site / "host.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Host\nmetadata: {name: lpar7}\nspex: {}\n"
    )
    before = machine.files()

    ran = machine.setup()

    assert ran.code == 3
    assert "host.yaml:4:1" in ran.err
    assert (machine.files(), machine.ran) == (before, [])


def test_services_that_are_there_stay(machine: Machine) -> None:
    """Also those that others have made; they are not taken back."""
    for name in UNITS:
        (machine.units / name).write_text("[Service]\nExecStart=/bin/true\n")
    before = machine.files()

    assert machine.setup().code == 0
    assert machine.undo().code == 0
    assert (machine.files(), machine.ran) == (before, [])


@pytest.mark.parametrize("refused", ["enable", "restart"])
@pytest.mark.parametrize("is_second", [False, True])
def test_everything_is_taken_back_where_a_service_cannot_be_installed(
    machine: Machine, refused: str, is_second: bool
) -> None:
    """Manifests, units and the generation; what an earlier setup has made stays."""
    if is_second:
        assert machine.setup("--without", "watch", "--without", "boot").code == 0
    before, known = machine.files(), generations(machine)
    machine.refused = refused

    ran = machine.setup()

    assert ran.code == 1
    assert "this failed, so all that this setup has made is taken back" in ran.err
    assert "ended with status 1" in ran.err.splitlines()[-1]
    assert machine.files() == before
    assert generations(machine) == known
    machine.refused = ""
    assert machine.undo().code == 0
    assert machine.files() == {}


def test_what_was_killed_can_be_undone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is there before anything is made."""

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        for step in ("_adopt", "_taken_back"):
            patched.setattr(f"reconciler.cli.setup_command.{step}", killed)
        with pytest.raises(SystemExit):
            machine.setup()
    assert machine.manifests.exists()

    assert machine.undo().code == 0
    assert machine.files() == {}


def test_an_undo_takes_back_just_what_a_setup_has_made(machine: Machine) -> None:
    """Systemd forgets the units; device, masks and history stay; the second undo has nothing to do."""
    assert machine.setup().code == 0
    before = machine.bare("simulate", "--simulate", str(machine.simulated_host)).out
    machine.ran.clear()

    shown = machine.setup("--undo", yes=False)
    done, again = machine.undo(), machine.undo()

    assert (shown.code, done.code, again.code) == (2, 0, 0)
    assert [parsed(one) for one in commands_in(shown.out)] == [
        "reconcile service uninstall watch",
        "reconcile service uninstall boot",
    ]
    assert f"{machine.manifests} will be removed" in shown.out
    assert ("stop", "reconcile-watch.service") in machine.ran
    assert "nothing to undo" in again.err
    assert machine.files() == {}
    assert not machine.site.parent.exists()
    assert generations(machine) == [1]
    assert machine.bare("simulate", "--simulate", str(machine.simulated_host)).out == before


@pytest.mark.parametrize("kind", ["edited", "in git"])
def test_manifests_that_a_person_works_with_are_kept(machine: Machine, kind: str) -> None:
    """They are named; everything else goes."""
    assert machine.setup().code == 0
    if kind == "edited":
        machine.manifests.write_text(machine.manifests.read_text() + "# mine\n")
    else:
        subprocess.run(["git", "init", "--quiet", machine.site], check=True)

    ran = machine.undo()

    assert ran.code == 0
    why = {"edited": "it was changed since", "in git": "it is in a git repository"}[kind]
    assert f"  {machine.manifests}: {why}" in ran.out
    assert ran.out.splitlines()[-1].endswith(f"these stay: {machine.manifests}")
    assert machine.manifests.exists()
    assert list(machine.units.iterdir()) == []
    assert machine.undo().code == 0


def test_a_unit_that_was_replaced_stays(machine: Machine) -> None:
    """It is not the one that was installed."""
    assert machine.setup().code == 0
    unit = machine.units / "reconcile-watch.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")

    ran = machine.undo()

    assert ran.code == 0
    assert "reconcile-watch.service: 'reconcile service install' has not made it" in ran.out
    assert list(machine.units.iterdir()) == [unit]


def test_an_undo_that_failed_can_be_repeated(machine: Machine) -> None:
    """The record stays until all is taken back."""
    assert machine.setup().code == 0
    machine.refused = "daemon-reload"

    failed = machine.undo()
    machine.refused = ""
    done = machine.undo()

    assert (failed.code, done.code) == (1, 0)
    assert "once the cause is gone: reconcile setup --undo" in failed.err
    assert machine.files() == {}


@pytest.fixture
def booting(machine: Machine) -> Machine:
    """The host, which boots by mdevctl into what it has, and another definition that is not ours."""
    write_definition(machine.root, Definition(DEVICE, config([5], [4, 0x47]), autostart=True))
    write_ap_rules(machine.root, PersistentMasks(~IdSet([5]), ~IdSet([4])))
    machine.state.chmod(0o700)
    return machine


def test_what_the_host_boots_from_becomes_as_it_was_before(booting: Machine) -> None:
    """What applies of ours have changed since; a definition of another program stays."""
    before = booting.files()
    assert booting.setup().code == 0
    text = booting.manifests.read_text()
    assert "persistence: mdevctl" in text
    for old, new in (("    domains: [0x04]", "    domains: [0x04, 0x05]"), ("[0x04, 0x47]", "[0x04]")):
        assert old in text
        text = text.replace(old, new)
    booting.manifests.write_text(text)
    applied = booting.on("apply", "--yes", "--allow-disruption", "-f", str(booting.site))
    assert applied.code == 0, applied
    foreign = Definition("00000000-0000-4000-8000-00000000000b", config([6], [6]), autostart=False)
    write_definition(booting.root, foreign)
    changed = {path for path, content in booting.files().items() if before.get(path) not in (None, content)}
    assert len(changed) == 2

    ran = booting.undo()

    assert ran.code == 0
    left = booting.files()
    assert {path: left.get(path) for path in before} == before
    assert {path.rpartition("/")[2] for path in left.keys() - before.keys()} == {foreign.uuid, "lpar7.yaml"}


def test_what_another_program_has_changed_at_boot_stays(booting: Machine) -> None:
    """It is named."""
    assert booting.setup().code == 0
    write_definition(booting.root, Definition(DEVICE, config([6], [6]), autostart=True))
    before = booting.files()

    ran = booting.undo()

    assert ran.code == 0
    file = booting.root / "etc/mdevctl.d/matrix" / DEVICE
    assert f"{file}: another program has changed it since" in ran.out
    assert booting.files()[str(file)] == before[str(file)]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--undo", "--apply"), "--undo takes back what is recorded"),
        (("--undo", "-f", "x"), "--undo takes back what is recorded"),
        (("-f", "x", "-f", "y"), "one directory of manifests"),
        (("-f", "-"), "one directory of manifests"),
        (("-f", pytest.__file__), "this is no directory"),
        (("--simulate", "host.yaml"), "name another directory with -f"),
        (("--without", "cron"), "cron"),
    ],
)
def test_options_that_do_not_fit_are_refused(machine: Machine, words: tuple[str, ...], why: str) -> None:
    """Before anything is looked at."""
    ran = machine.bare("setup", *words)

    assert (ran.code, why in ran.err) == (64, True), ran.err


def test_a_host_that_no_manifests_describe_is_refused(machine: Machine) -> None:
    """The reason is that of an import."""
    machine.simulated_host.write_text(
        USED.replace("[0-4, 6-255]", "[0-255]").replace('"6.12"', '"5.15"').replace("[0-3, 5-255]", "[0-255]")
    )

    ran = machine.setup()

    assert ran.code in (3, 4)
    assert machine.files() == {}


def test_each_service_is_proposed_or_left_out_for_a_reason(machine: Machine) -> None:
    """Whatever there is on a host."""
    assert set(setup_services.FILES) == {"boot", "serve", "watch", "hook"}
    text = machine.setup("--without", "boot", yes=False).out

    assert "boot   none: --without boot" in text
    assert "persistence: service" not in text.partition("Services:")[0].replace("'persistence: service'", "")
