"""Simulated hosts that a controller reaches over real ssh: one sshd each, on a port of the loopback interface.

Each host has its own host key, state and ``reconcile``; a request is one ssh session. What becomes of the next sessions
can be said beforehand (`SshHost.links`): so links that fail, delay and repeat are exact, and nothing waits for a clock.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from reconciler.transaction.confirmation import Confirmations
from reconciler.transaction.state_directory import StateDirectory
from testing.mounted_hosts import mounted_host, until

REQUIRED: Final = "RECONCILE_REQUIRE_FLEET"
"""The environment variable by which CI has tests over ssh fail, not skip, where a program is missing."""

ROOT: Final = Path(__file__).parents[1]
COLLECTION: Final = Path(os.environ.get("RECONCILE_COLLECTION") or ROOT / "ansible")
"""The collection that is used: that of this clone, or one that is installed."""

_PATIENCE: Final = 300.0

Link = Literal["good", "lost", "answer lost", "delayed", "stop before", "stop after", "down"]
"""What becomes of one session: with "stop" the host waits for `SshHost.go_on`; "down" also holds for all later ones."""

DESCRIPTION: Final = """\
apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: %s}
spec:
  kernel: "6.12"
  adapters: [{id: 4}, {id: 5}, {id: 6}]
  usageDomains: [4, 5, 6, 0x47]
"""

# The clock of a host that is not mounted is the machine's, moved: also for what waits in the background.
_WRAPPER: Final = """\
#!%(python)s
import sys, time
sys.path.insert(0, %(root)r)
from pathlib import Path
clock = Path(%(folder)r) / "clock"
moved, real = float(clock.read_text()), time.monotonic
time.monotonic = lambda: real() + moved
from reconciler.cli.main import main
if sys.argv[1:2] and not sys.argv[1].startswith("-") and "--from" not in sys.argv:
    sys.argv += %(where)r
main()
"""

# Runs each session (ForceCommand). The file `links` has what becomes of the next ones, one a line.
_LINK: Final = """\
#!/bin/sh
cd %(folder)s || exit 255
exec 9>lock
flock 9
what=$(head -n 1 links 2>/dev/null)
[ "$what" = down ] || sed -i 1d links
echo "${what:-good}" >>sessions
flock -u 9
exec 9>&-
stop() {
    exec 8<>go
    echo >stopped  # waits until that is read
    read -r _ <&8
}
case $what in
    lost | down) exit 255 ;;
    "answer lost") /bin/sh -c "$SSH_ORIGINAL_COMMAND" >/dev/null 2>&1; exit 255 ;;
    delayed)
        name=late.$$
        cat >"$name.in"
        printf '%%s' "$SSH_ORIGINAL_COMMAND" >"$name.sh"
        exit 255
        ;;
    "stop before") cat >in; stop; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" <in ;;
    "stop after") /bin/sh -c "$SSH_ORIGINAL_COMMAND"; stop ;;
    *) exec /bin/sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""

_SSHD: Final = """\
Port %(port)d
ListenAddress 127.0.0.1
HostKey %(folder)s/host_key
AuthorizedKeysFile %(keys)s/user_key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
MaxStartups 100
ForceCommand %(folder)s/link
"""


def what_is_missing() -> str | None:
    """The programs that this machine lacks for tests over ssh with Ansible; None where all are there."""
    programs = [name for name in ("ssh", "ssh-keygen", "flock") if shutil.which(name) is None]
    found = [] if _sshd() else ["sshd"]
    playbook = [] if ansible("ansible-playbook").exists() else ["ansible-core"]
    return ", ".join([*programs, *found, *playbook]) or None


def needed() -> None:
    """Skip where something is missing; on CI it fails."""
    if missing := what_is_missing():
        reason = f"NOT TESTED: hosts over ssh ({missing} missing)"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)


def ansible(program: str) -> Path:
    """A program of ansible-core, from beside this Python, or from the folder that RECONCILE_ANSIBLE names."""
    return Path(os.environ.get("RECONCILE_ANSIBLE") or Path(sys.executable).parent) / program


def _sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class SshHost:
    """One host: `folder` has all that belongs to it; its name is that of the Host in the manifests."""

    def __init__(self, name: str, folder: Path, where: Sequence[str]) -> None:
        """`where` are the options that name the host to ``reconcile``."""
        self.name = name
        self.folder = folder
        self.state_directory = folder / "state"
        self.where = tuple(where)
        self.reconcile = folder / "reconcile"
        self.port = 0
        self._listener: subprocess.Popen[bytes] | None = None
        (folder / "clock").write_text("0")
        os.mkfifo(folder / "go")
        os.mkfifo(folder / "stopped")
        _program(self.reconcile, _WRAPPER % _values(folder, where))
        _program(folder / "link", _LINK % {"folder": folder})
        self.links()

    @property
    def variables(self) -> dict[str, Any]:
        """As the inventory has it."""
        keys = self.folder.parent
        options = f"-o UserKnownHostsFile={keys}/known_hosts -o StrictHostKeyChecking=yes -o ControlMaster=no"
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": _user(),
            "ansible_ssh_private_key_file": str(keys / "user_key"),
            "ansible_ssh_common_args": f"{options} -o ControlPath=none -o IdentitiesOnly=yes",
            "ansible_python_interpreter": sys.executable,
            "ansible_pipelining": True,
            "reconcile_executable": str(self.reconcile),
            "reconcile_state_dir": str(self.state_directory),
        }

    def links(self, *coming: Link) -> None:
        """What becomes of the next sessions, one after the other; all after them are good."""
        (self.folder / "links").write_text("".join(f"{one}\n" for one in coming))

    @property
    def sessions(self) -> list[str]:
        """What became of all sessions so far."""
        file = self.folder / "sessions"
        return file.read_text().splitlines() if file.exists() else []

    def wait_until_stopped(self) -> None:
        """Return when a session has stopped."""
        descriptor = os.open(self.folder / "stopped", os.O_RDWR | os.O_NONBLOCK)
        try:
            assert select.select([descriptor], [], [], _PATIENCE)[0], "no session has come"
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)

    def go_on(self) -> None:
        """Let the session that has stopped go on."""
        descriptor = os.open(self.folder / "go", os.O_RDWR | os.O_NONBLOCK)
        os.write(descriptor, b"\n")
        os.close(descriptor)  # the session that waits has it open as well

    def deliver(self) -> None:
        """Requests that were delayed arrive."""
        for command in sorted(self.folder.glob("late.*.sh")):
            given = command.with_suffix(".in")
            subprocess.run(["sh", str(command)], input=given.read_bytes(), capture_output=True, check=False)
            command.unlink()
            given.unlink()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What its ``reconcile`` does on the host itself."""
        return subprocess.run([self.reconcile, *words], capture_output=True, text=True, cwd="/", check=False)

    def json(self, *words: str) -> Any:
        """What its ``reconcile`` prints as JSON."""
        ran = self.run(*words, "-o", "json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def state(self, apply_id: str) -> str:
        """How the apply with this id stands."""
        return str(self.json("history", "state", apply_id)["state"])

    def pass_time(self, seconds: float) -> None:
        """Its clock goes on, and its timer rings if it is time."""
        clock = self.folder / "clock"
        clock.write_text(str(float(clock.read_text()) + seconds))
        pending = Confirmations(StateDirectory(self.state_directory)).pending()
        if pending:
            left = self.json("history", "state", str(pending.generation))["secondsLeft"]
            if not left:
                self.run("expire", str(pending.generation))

    def boot(self) -> None:
        """It is booted; what was pending is gone."""
        ran = self.run("simulate", "boot")
        assert ran.returncode == 0, ran.stderr

    def listen(self) -> None:
        """Start its sshd; it answers when this returns."""
        sshd = _sshd()
        assert sshd
        config = self.folder / "sshd_config"
        config.write_text(_SSHD % {"port": self.port, "folder": self.folder, "keys": self.folder.parent})
        log = (self.folder / "sshd.log").open("ab")
        with log:
            self._listener = subprocess.Popen(
                [sshd, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._is_up)
        assert self._listener.poll() is None, (self.folder / "sshd.log").read_text()

    def _is_up(self) -> bool:
        assert self._listener
        if self._listener.poll() is not None:
            return True  # it has ended, which is seen next
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0

    def refuse(self) -> None:
        """End its sshd: a controller that connects is refused."""
        if self._listener:
            self._listener.terminate()
            self._listener.wait(_PATIENCE)
            self._listener = None

    def end(self) -> None:
        """End what belongs to it; what waits to be confirmed ends by itself when its state is gone."""
        self.refuse()
        descriptor = os.open(self.folder / "stopped", os.O_RDWR | os.O_NONBLOCK)  # for a session that no test waits for
        self.go_on()
        os.close(descriptor)


def _values(folder: Path, where: Sequence[str]) -> dict[str, Any]:
    return {"python": sys.executable, "root": str(ROOT), "folder": str(folder), "where": list(where)}


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


class SshFleet:
    """Hosts by name, and what a controller needs to reach them: an inventory, and the collection."""

    def __init__(self, folder: Path, hosts: dict[str, SshHost]) -> None:
        """All files are in `folder`, which others may not read."""
        self.folder = folder
        self.hosts = hosts
        self.collections = linked_collection(folder)
        self.inventory = folder / "inventory.json"
        (folder / "ansible.cfg").write_text("[defaults]\n")
        self.write_inventory()

    def __getitem__(self, name: str) -> SshHost:
        return self.hosts[name]

    def write_inventory(self, **more: object) -> None:
        """Have all hosts in the inventory; `more` are variables of all of them."""
        hosts = {name: one.variables for name, one in self.hosts.items()}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": more}}))

    @property
    def environment(self) -> dict[str, str]:
        """Of a controller's process."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.folder / "ansible-home"),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_INJECT_FACT_VARS": "False",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
        }

    def playbook(self, playbook: str | Path, *words: str, **variables: object) -> "subprocess.Popen[str]":
        """A controller that has begun `playbook`, in a process group of its own."""
        values = self.folder / f"variables-{len(list(self.folder.glob('variables-*')))}.json"
        values.write_text(json.dumps(variables))
        command = [
            str(ansible("ansible-playbook")),
            "-i",
            str(self.inventory),
            "-e",
            f"@{values}",
            str(playbook),
            *words,
        ]
        return subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def played(self, playbook: str | Path, *words: str, **variables: object) -> tuple[int, str]:
        """How a controller that runs `playbook` ends, and what it prints."""
        with self.playbook(playbook, *words, **variables) as run:
            out, _ = run.communicate(timeout=300)
            return run.returncode, out


def killed(controller: "subprocess.Popen[str]") -> None:
    """Kill a controller and all of its processes with SIGKILL."""
    for process in [controller.pid, *_below(controller.pid)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    controller.wait(_PATIENCE)
    if controller.stdout:
        controller.stdout.close()


def _below(process: int) -> list[int]:
    """The processes that `process` has started, and those that they have."""
    found = []
    for file in Path("/proc").glob(f"{process}/task/*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                found += [child, *_below(child)]
    return found


def linked_collection(folder: Path) -> Path:
    """A folder for ``ANSIBLE_COLLECTIONS_PATH`` that has the collection of this clone."""
    place = folder / "collections" / "ansible_collections" / "reconcile"
    if not place.exists():
        place.mkdir(parents=True)
        (place / "vfio_ap").symlink_to(COLLECTION)
    return folder / "collections"


@contextmanager
def ssh_hosts(
    folder: Path, descriptions: dict[str, str] | Sequence[str], *, mounted: bool = False
) -> Iterator[SshFleet]:
    """Hosts with these names, reachable in the block; `folder` must be empty, and is removed at its end.

    Args:
        folder: for all their files.
        descriptions: the names, or the description of the simulated host of each name.
        mounted: whether the hosts are mounted, so that their ``reconcile`` works as on a real sysfs.
    """
    if not isinstance(descriptions, dict):
        descriptions = {name: DESCRIPTION % name for name in descriptions}
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _key(folder / "user_key")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)  # the last
        hosts = {}
        for name, description in descriptions.items():
            place = folder / name
            place.mkdir()
            host = mounted_on(name, place, description, stack) if mounted else simulated_host(name, place, description)
            hosts[name] = host
            stack.callback(host.end)
            host.port = _free_port()
            _key(place / "host_key")
            with (folder / "known_hosts").open("a") as known:
                known.write(f"[127.0.0.1]:{host.port} {(place / 'host_key.pub').read_text()}")
            host.listen()
        yield SshFleet(folder, hosts)


def simulated_host(name: str, place: Path, description: str) -> SshHost:
    """A host whose ``reconcile`` works on a simulated host of its own."""
    file = place / "host.yaml"
    file.write_text(description)
    return SshHost(name, place, ["--simulate", str(file), *_own(place)])


def mounted_on(name: str, place: Path, description: str, stack: ExitStack) -> SshHost:
    """The same, but mounted: until `stack` ends."""
    host = stack.enter_context(mounted_host(place, description))
    return SshHost(name, place, ["--sysfs", str(host.root), *_own(place)])


def _own(place: Path) -> list[str]:
    return ["--state-dir", str(place / "state"), "--run-dir", str(place / "run")]


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _key(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
