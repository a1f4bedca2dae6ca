"""Runs the playbooks of our collection with ansible-playbook, and reads what they report.

A private directory has what goes in and what comes out, the collection under the name by which Ansible finds it, and
our package: its action plugins import that, and ansible-playbook may be that of the system, in another Python.
"""

import json
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler.kernel.processes import Bounds, Processes, run_shown
from reconciler.model.codec import LARGEST, BadRecord, read_json
from reconciler.model.errors import HostError

_PACKAGE: Final = Path(__file__).parents[1]
_FOLDERS: Final = (_PACKAGE / "ansible", _PACKAGE.parent / "ansible")
"""Where the collection is: in a wheel, and in a clone."""

_COLLECTION: Final = "reconcile.vfio_ap"
_PROGRAM: Final = "ansible-playbook"
_COLLECTIONS: Final = "ANSIBLE_COLLECTIONS_PATH"
_USUAL_COLLECTIONS: Final = "~/.ansible/collections:/usr/share/ansible/collections"
_SECONDS: Final = 60.0
"""How long ansible-inventory may take."""

_KEPT_LINES: Final = 20
"""How many of the last lines of Ansible are kept, to be shown where it fails."""


class NoAnsible(HostError):
    """ansible-playbook or our collection is not there; the text says how to install it."""


class Ran(NamedTuple):
    """How a playbook ended.

    Attributes:
        code: the exit code of ansible-playbook.
        result: the file that it has written; None where there is none.
        last: the last lines that Ansible wrote, as they were.
    """

    code: int
    result: bytes | None
    last: tuple[str, ...]


class Playbooks:
    """Runs playbooks in `folder`, a private directory; `opened_playbooks` makes one.

    Attributes:
        folder: for files that a playbook reads; what is in it goes away.
    """

    def __init__(self, program: str, folder: Path, inventories: Sequence[str], shown: Callable[[str], object]) -> None:
        self._program = program
        self._inventories = inventories
        self._shown = shown
        self.folder = folder

    def run(self, name: str, variables: Mapping[str, Any]) -> Ran:
        """Run the playbook `name` of the collection with `variables` and with ``fleet_result``, the file it writes.

        Raises:
            NoAnsible: the program is not there any more.
        """
        result, given = self.folder / "result.json", self.folder / "run.json"
        result.unlink(missing_ok=True)
        given.write_text(json.dumps({**variables, "fleet_result": str(result)}), encoding="ascii")
        last: deque[str] = deque(maxlen=_KEPT_LINES)

        def line(content: bytes) -> None:
            text = content.decode("utf-8", "replace").rstrip()
            if text:
                last.append(text)
            self._shown(text)

        inventories = [word for one in self._inventories for word in ("-i", one)]
        words = [self._program, *inventories, "-e", f"@{given}", f"{_COLLECTION}.{name}"]
        try:
            code = run_shown(words, directory=Path.cwd(), environment=self._environment(), line=line)
        except FileNotFoundError as error:
            raise _not_installed() from error
        return Ran(code, _content(result), tuple(last))

    def unknown(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of `names` that are no hosts of the inventory; none where it cannot be read."""
        program = str(Path(self._program).with_name("ansible-inventory"))
        inventories = [word for one in self._inventories for word in ("-i", one)]
        try:
            answer = Processes(self.folder).run(
                [program, *inventories, "--list"],
                directory=Path.cwd(),
                environment=self._environment(),
                bounds=Bounds(_SECONDS, goes_on=True),
            )
            with answer.output as output:
                known = _hosts_in(read_json(output.read())) if answer.code == 0 else set(names)
        except (HostError, BadRecord, OSError):
            return ()
        return tuple(name for name in names if name not in known)

    def _environment(self) -> dict[str, str]:
        """Ours, with the collection and our package where Ansible looks first."""
        collections = os.environ.get(_COLLECTIONS) or _USUAL_COLLECTIONS
        packages = os.environ.get("PYTHONPATH")
        return {
            **os.environ,
            _COLLECTIONS: os.pathsep.join([str(self.folder / "collections"), collections]),
            "PYTHONPATH": os.pathsep.join([str(self.folder / "packages"), *([packages] if packages else [])]),
        }


def _hosts_in(listed: object) -> set[str]:
    """The hosts of all groups that ansible-inventory has `listed`."""
    groups = listed.values() if isinstance(listed, dict) else ()
    return {
        name
        for group in groups
        if isinstance(group, dict) and isinstance(group.get("hosts"), list)
        for name in group["hosts"]
        if isinstance(name, str)
    }


def _content(file: Path) -> bytes | None:
    """What is in `file`, up to more than is read of it; None where there is nothing."""
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except FileNotFoundError:
        return None


@contextmanager
def opened_playbooks(inventories: Sequence[str], shown: Callable[[str], object]) -> Iterator[Playbooks]:
    """What runs playbooks against the hosts of `inventories`, those of Ansible's own settings if empty.

    `shown` is given each line that Ansible writes, as it is.

    Raises:
        NoAnsible: ansible-playbook or the collection is not there.
    """
    program, collection = _program(), _collection()
    folder = Path(tempfile.mkdtemp(prefix="reconcile-fleet-"))
    try:
        namespace = folder / "collections/ansible_collections/reconcile"
        namespace.mkdir(parents=True)
        (namespace / "vfio_ap").symlink_to(collection)
        (folder / "packages").mkdir()
        (folder / "packages/reconciler").symlink_to(_PACKAGE)
        yield Playbooks(program, folder, inventories, shown)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str:
    beside = Path(sys.executable).with_name(_PROGRAM)
    if os.access(beside, os.X_OK):
        return str(beside)
    if found := shutil.which(_PROGRAM):
        return found
    raise _not_installed()


def _not_installed() -> NoAnsible:
    return NoAnsible(
        f"commits to several hosts need {_PROGRAM}, which is not there: run pip install '.[fleet]' in a clone, or "
        "install ansible-core (2.16 or later) as your system has it"
    )


def _collection() -> Path:
    for folder in _FOLDERS:
        if (folder / "galaxy.yml").exists():
            return folder
    raise NoAnsible(
        f"the collection {_COLLECTION} is not there, as {_FOLDERS[0]}: this installation is not complete; install "
        "reconcile anew"
    )
