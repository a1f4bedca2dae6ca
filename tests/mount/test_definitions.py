"""The real mdevctl and our files: what it defines we import, and what we write it lists, starts and stops."""

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.cli.main import run
from reconciler.integrations.mdevctl import definition_bytes, definition_file, read_definitions
from reconciler.integrations.persistence import carry_out, file_changes, read_boot_files, start_by_hand
from reconciler.kernel.text_forms import ap_config_text, parse_ap_config
from reconciler.manifests.site import read_site
from reconciler.model.desired import Activation, DesiredGuest
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import AtBoot, Definition
from testing.boot_files import write_definition
from testing.holdings import config, uuid
from testing.mounted_hosts import MountedHost

ONE: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"
_PRIVATE_MOUNTS: Final = ("unshare", "--mount", "--propagation", "private")
_IN_A_ROOT_OF_ITS_OWN: Final = """\
mount --bind "$1" /sys && mount --bind "$2/etc/mdevctl.d" /etc/mdevctl.d && shift 2 && exec "$@"
"""
_MANY: Final = 200


class Mdevctl:
    """The real mdevctl, which has the mounted host in ``/sys`` and the definitions below `root`."""

    def __init__(self, host: MountedHost, root: Path) -> None:
        self.host, self.root = host, root
        for folder in ("callouts", "notifiers"):  # which mdevctl 1.2 wants to be there
            (root / "etc/mdevctl.d/scripts.d" / folder).mkdir(parents=True)

    def ran(self, *command: str) -> subprocess.CompletedProcess[str]:
        """How `command` ended, and what it said."""
        words = ["sh", "-c", _IN_A_ROOT_OF_ITS_OWN, "sh", str(self.host.root), str(self.root), *command]
        return subprocess.run([*_PRIVATE_MOUNTS, *words], capture_output=True, text=True, check=False)

    def run(self, *command: str) -> str:
        """The output of `command`, which must succeed."""
        done = self.ran(*command)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def __call__(self, *words: str) -> str:
        """The output of mdevctl."""
        return self.run("mdevctl", *words)

    def made_by(self, *words: str) -> dict[str, ApConfig]:
        """What the devices have that mdevctl makes by `words`, by uuid; they are removed again."""
        self.ran("mdevctl", *words)
        devices = {
            one: parse_ap_config(self.host.sysfs.read(f"devices/vfio_ap/matrix/{one}/ap_config"))
            for one in self.host.sysfs.list("bus/mdev/devices")
        }
        for one in devices:
            self.host.store(f"devices/vfio_ap/matrix/{one}/remove", "1")
        return devices

    def define(self, definitions: dict[str, dict[str, Any]]) -> None:
        """Let mdevctl define all of `definitions`, by uuid, in one go."""
        folder = self.root / "json"
        folder.mkdir()
        for one, content in definitions.items():
            (folder / one).write_text(json.dumps(content))
        script = 'for one in "$1"/*; do mdevctl define -u "${one##*/}" -p matrix --jsonfile "$one" || exit; done'
        self.run("sh", "-c", script, "sh", str(folder))

    def defined(self) -> dict[str, Any]:
        """What mdevctl says is defined, by uuid, in one call."""
        (parents,) = json.loads(self("list", "-d", "--dumpjson"))
        return {one: content for entry in parents["matrix"] for one, content in entry.items()}


@pytest.fixture
def mdevctl(lab: MountedHost, tmp_path: Path) -> Mdevctl:
    """Mdevctl on the mounted host."""
    for program in ("mdevctl", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"NOT TESTED: our files and the real mdevctl ({program} is not installed)")
    if os.getuid() != 0:
        pytest.skip("NOT TESTED: our files and the real mdevctl (only root can bind a host over /sys)")
    tried = subprocess.run([*_PRIVATE_MOUNTS, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NOT TESTED: our files and the real mdevctl ({tried.stderr.strip()})")
    return Mdevctl(lab, tmp_path / "root")


Reconcile = Callable[..., str]


@pytest.fixture
def reconcile(
    mdevctl: Mdevctl, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reconcile:
    """``reconcile`` on the mounted host and with mdevctl's files; gives its output, and must succeed."""
    monkeypatch.setenv("MDEVCTL_ENV_ROOT", str(mdevctl.root))

    def call(*words: str) -> str:
        capsys.readouterr()
        where = ["--sysfs", str(mdevctl.host.root), "--state-dir", str(tmp_path / "known")]
        code = run([*words, *where])
        out, err = capsys.readouterr()
        assert 0 == code, err
        return out

    return call


def imported(reconcile: Reconcile, mdevctl: Mdevctl, file: Path) -> tuple[DesiredGuest, ...]:
    """The guests that are imported into `file`."""
    reconcile("import", "--out", str(file))
    site = read_site([file])
    assert () == site.problems
    return site.guests


def content(attributes: Iterable[tuple[str, str]], start: str) -> dict[str, Any]:
    """A definition as mdevctl takes it."""
    return {
        "mdev_type": "vfio_ap-passthrough",
        "start": start,
        "attrs": [{name: value} for name, value in attributes],
    }


def test_what_mdevctl_defines_is_imported(mdevctl: Mdevctl, reconcile: Reconcile, tmp_path: Path) -> None:
    """As people write it: decimal, hex, in any order."""
    mdevctl.host.store("bus/ap/apmask", "-5,-6")
    attributes = [("assign_domain", "0x47"), ("assign_adapter", "5"), ("assign_control_domain", "0x48")]
    mdevctl.define({ONE: content(attributes, "manual")})

    (guest,) = imported(reconcile, mdevctl, tmp_path / "site.yaml")

    assert (ONE, config([5], [0x47], [0x48]), Activation.ON_DEMAND) == (guest.uuid, guest.config, guest.activation)
    assert "Nothing to do" in reconcile("plan", "-f", str(tmp_path / "site.yaml"))


def test_what_mdevctl_has_started_is_taken_over(mdevctl: Mdevctl, reconcile: Reconcile, tmp_path: Path) -> None:
    """Without a write, and mdevctl goes on knowing it."""
    mdevctl.host.store("bus/ap/apmask", "-5,-6")
    mdevctl.define({ONE: content([("assign_adapter", "5"), ("assign_domain", "4")], "auto")})
    mdevctl("start", "-u", ONE)

    (guest,) = imported(reconcile, mdevctl, tmp_path / "site.yaml")
    applied = reconcile("apply", "--yes", "-f", str(tmp_path / "site.yaml"))

    assert (config([5], [4], []), Activation.ACTIVE) == (guest.config, guest.activation)
    assert "Nothing to do" in applied
    assert f"{ONE} matrix vfio_ap-passthrough auto (active)" == mdevctl("list", "-d").strip()


def test_what_we_write_mdevctl_lists_starts_and_stops(mdevctl: Mdevctl) -> None:
    """It is byte for byte what mdevctl would have written."""
    mdevctl.host.store("bus/ap/apmask", "-5,-6")
    ours = Definition(ONE, config([5, 6], [4, 0x47], [4]), autostart=True)
    write_definition(mdevctl.root, ours)
    (entry,) = mdevctl.defined().values()

    assert json.loads(definition_bytes(ours)) == entry
    mdevctl("start", "-u", ONE)
    assert "05.0004\n05.0047\n06.0004\n06.0047\n" == mdevctl.host.sysfs.read(f"devices/vfio_ap/matrix/{ONE}/matrix")
    mdevctl("stop", "-u", ONE)
    assert [] == mdevctl.host.sysfs.list("bus/mdev/devices")

    mdevctl("modify", "-u", ONE, "--auto")  # which has mdevctl write the file itself
    assert definition_bytes(ours) == definition_file(mdevctl.root, ONE).read_bytes()


PERSISTENT: Final = """\
apiVersion: reconciler/v1
kind: Host
metadata: {name: lab}
spec: {persistence: mdevctl}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: web}
spec: {host: lab, uuid: %s, adapters: [5], domains: [4, 0x47], controlDomains: [4]}
---
apiVersion: reconciler/v1
kind: Guest
metadata: {name: night}
spec: {host: lab, uuid: %s, adapters: [5], domains: [5], activation: on-demand}
"""


def test_what_an_apply_persists_mdevctl_lists_stops_and_starts(
    mdevctl: Mdevctl, reconcile: Reconcile, tmp_path: Path
) -> None:
    """Afterwards everything is in sync again, and an import says that it boots by mdevctl."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "lab.yaml").write_text(PERSISTENT % (ONE, uuid(2)))
    reconcile("apply", "--yes", "-f", str(site))

    defined = mdevctl.defined()
    domains = [("assign_domain", "4"), ("assign_domain", "71"), ("assign_control_domain", "4")]
    assert defined[ONE] == content([("assign_adapter", "5"), *domains], "auto")
    assert {ONE: "auto", uuid(2): "manual"} == {one: what["start"] for one, what in defined.items()}
    assert "In sync." in reconcile("drift", "-f", str(site))

    mdevctl("stop", "-u", ONE)
    mdevctl("start", "-u", ONE)
    assert "In sync." in reconcile("drift", "-f", str(site))
    reconcile("import", "--out", str(tmp_path / "again.yaml"))
    assert "  persistence: mdevctl\n" in (tmp_path / "again.yaml").read_text()
    assert "Nothing to do" in reconcile("plan", "-f", str(tmp_path / "again.yaml"))


def test_a_whole_configuration_means_to_us_what_it_means_to_mdevctl(mdevctl: Mdevctl) -> None:
    """`ap_config` in a definition, and an entry after it."""
    mdevctl.host.store("bus/ap/apmask", "-5,-6")
    whole = ap_config_text(config([5], [4], [4]))
    mdevctl.define({ONE: content([("assign_adapter", "6"), ("ap_config", whole), ("assign_domain", "010")], "manual")})
    (ours,) = read_definitions(mdevctl.root).found

    mdevctl("start", "-u", ONE)

    shown = mdevctl.host.sysfs.read(f"devices/vfio_ap/matrix/{ONE}/ap_config")
    assert ap_config_text(ours.config) == shown.strip()
    assert config([5], [4, 8], [4]) == ours.config


MEASURED: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "integrations/definitions_measured.json").read_text()
)["definitions"]
THIS: Final = "0000000a-00a0-400b-8000-00000000000a"


def test_mdevctl_does_with_each_measured_file_what_the_table_says(mdevctl: Mdevctl) -> None:
    """So that a version with other rules is noticed; `tests/integrations` compares our reading with the table."""
    mdevctl.host.store("bus/ap/apmask", "-5,-6,-7,-10")
    folder = mdevctl.root / "etc/mdevctl.d/matrix"
    folder.mkdir(parents=True)
    seen = []
    for row in MEASURED:
        for one in folder.iterdir():
            one.unlink()
        write_definition(mdevctl.root, Definition(ONE, config([6], [5], []), autostart=True))
        (folder / row["file"]).write_bytes(row["content"].encode("utf-8", "surrogateescape"))

        at_boot = mdevctl.made_by("start-parent-mdevs", "matrix")
        started = mdevctl.made_by("start", "-u", THIS)

        others = at_boot.pop(ONE, None) is not None
        what = next(([list(ids) for ids in one] for one in (*at_boot.values(), *started.values())), None)
        seen.append(row | {"others": others, "boots": bool(at_boot), "config": what})
    assert MEASURED == seen


@pytest.mark.parametrize("name", [THIS, THIS.upper(), THIS.replace("-", ""), f"{{{THIS}}}", f"urn:uuid:{THIS}"])
def test_a_device_is_no_more_started_at_boot_after_what_we_tell_people_to_run(mdevctl: Mdevctl, name: str) -> None:
    """Whatever its file is called; and it is defined once."""
    mdevctl.host.store("bus/ap/apmask", "-5")
    definition_file(mdevctl.root, name).parent.mkdir(parents=True)
    definition_file(mdevctl.root, name).write_bytes(definition_bytes(Definition(THIS, config([5], [4]), True)))
    assert {THIS: config([5], [4])} == mdevctl.made_by("start-parent-mdevs", "matrix")

    mdevctl.run("sh", "-c", start_by_hand(Path("/"), name, THIS))

    assert {} == mdevctl.made_by("start-parent-mdevs", "matrix")
    assert [THIS] == list(mdevctl.defined())


PAGES: Final = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
COMMANDS: Final = sorted(
    {one for page in PAGES for one in re.findall(r"`mdevctl (\w+(?: [^`\n]+)|list|types)`", page.read_text())}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_mdevctl_on_a_page_is_one_that_it_takes(
    mdevctl: Mdevctl, command: str, tmp_path: Path
) -> None:
    """With a device that is defined, and runs where it is to be stopped."""
    if "--live" in command and mdevctl("--version").split()[-1] < "1.3":
        pytest.skip("NOT TESTED: modify --live (mdevctl here is older than 1.3)")
    mdevctl.host.store("bus/ap/apmask", "-5")
    (tmp_path / "device.json").write_text(json.dumps(content([("assign_adapter", "5")], "manual")))
    if "define" not in command.split():
        write_definition(mdevctl.root, Definition(ONE, config([5], [4]), autostart=False))
    if "stop" in command:
        mdevctl("start", "-u", ONE)

    mdevctl(*command.replace("UUID", ONE).replace("FILE", str(tmp_path / "device.json")).split())


@pytest.mark.slow
def test_two_hundred_definitions_survive(mdevctl: Mdevctl, reconcile: Reconcile, tmp_path: Path) -> None:
    """From mdevctl to manifests, through an apply, and back into files that mdevctl lists unchanged."""
    chance = random.Random(200)
    mdevctl.host.store("bus/ap/apmask", "0x0")  # so that no definition is in the host's way
    wanted = {uuid(number): random_definition(chance, uuid(number)) for number in range(1, _MANY + 1)}
    for one in wanted.values():
        write_definition(mdevctl.root, one)
    listed = mdevctl.defined()

    guests = imported(reconcile, mdevctl, tmp_path / "site.yaml")
    reconcile("apply", "--yes", "-f", str(tmp_path / "site.yaml"))
    assert listed == mdevctl.defined()
    shutil.rmtree(mdevctl.root / "etc/mdevctl.d/matrix")
    again = tuple(Definition(one.uuid, one.config, wanted[one.uuid].autostart) for one in guests)
    boot = AtBoot(Matrix(NO_IDS, ALL_IDS), again, frozenset(wanted))
    for change in file_changes(boot, read_boot_files(mdevctl.root).found(wanted)):
        carry_out(mdevctl.root, change)

    assert wanted == {one.uuid: one for one in read_definitions(mdevctl.root).found}
    assert listed == mdevctl.defined()


def random_definition(chance: random.Random, of: str) -> Definition:
    """A definition with any queues that the machine of the lab can have."""

    def some(highest: int) -> IdSet:
        return IdSet(chance.sample(range(highest + 1), chance.randint(1, 5)))

    return Definition(of, ApConfig(some(255), some(84), some(84)), chance.random() < 0.5)
