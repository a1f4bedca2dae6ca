"""What ``reconcile setup`` does besides services: manifests, the first generation, and all of that taken back.

A setup changes nothing that runs: its manifests are those of an import, and an apply of them only records what is
there. Taking back removes what is still as it was written. What another program or a person has changed stays.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.integrations.boot_masks import rules_file
from reconciler.integrations.files import NotReadable, read_limited, remove, write_named
from reconciler.integrations.mdevctl import NotADefinition, definition_file, parse_definition, uuid_of
from reconciler.integrations.persistence import BootFiles, pool_at_boot, read_boot_files
from reconciler.integrations.repositories import repository_above
from reconciler.model.desired import Desired, Persistence
from reconciler.model.steps import FileChange
from reconciler.transaction.history import History
from reconciler.transaction.journal import INVENTORY, Journal
from reconciler.transaction.open_host import OpenHost, locked
from reconciler.transaction.persist import persist
from reconciler.transaction.setup_record import SetUp

if TYPE_CHECKING:
    from reconciler.transaction.apply import Progress

_RULES: Final = str(rules_file(Path()))


def boot_contents(root: Path | None) -> dict[str, bytes]:
    """What a host whose files are below `root` boots from: masks and definitions, by path; only what can be read."""
    return {} if root is None else _contents(read_boot_files(root))


def _contents(files: BootFiles) -> dict[str, bytes]:
    definitions = {str(definition_file(Path(), name)): content for name, content in files.definitions.items()}
    return definitions if files.rules is None else {**definitions, _RULES: files.rules}


class Written(NamedTuple):
    """Manifests that are to be written to `file`; `folders` are missing for that, outermost first."""

    file: str
    text: str
    folders: tuple[str, ...]

    @property
    def content(self) -> bytes:
        """What the file will have."""
        return self.text.encode("utf-8", "backslashreplace")

    @property
    def digest(self) -> str:
        """The SHA-256 of it."""
        return sha256(self.content).hexdigest()

    def write(self) -> None:
        """Write it, for everybody to read; no file is replaced.

        Raises:
            CannotWrite, Exists, OSError: it cannot be written.
        """
        for folder in self.folders:
            os.mkdir(folder, 0o755)
        write_named(self.file, self.content, only_new=True, mode=0o644)


def missing_folders(path: str) -> tuple[str, ...]:
    """The folders above and at `path` that do not exist, outermost first."""
    found = []
    while not os.path.lexists(path):
        found.append(path)
        path = os.path.dirname(path)
    return tuple(reversed(found))


class Undoing(NamedTuple):
    """What is done to take back what setups have made, besides the services.

    Attributes:
        removed: the manifests that are removed.
        changes: the changes to the files that the host boots from.
        kept: what stays although a setup has made it: the file, and why, a clause.
    """

    removed: tuple[str, ...]
    changes: tuple[FileChange, ...]
    kept: tuple[tuple[str, str], ...]


def unchanged(made: SetUp) -> tuple[str, ...]:
    """The manifests that are still as they were written."""
    return tuple(file for file, digest in made.manifests.items() if _digest(file) == digest)


def undoing(made: SetUp, machine: OpenHost) -> Undoing:
    """How to take back what setups have `made` on `machine`.

    Raises:
        BadRecord: what was applied last is not known.
    """
    same = unchanged(made)
    kept = {file: "it was changed since" for file in made.manifests if os.path.lexists(file) and file not in same}
    kept.update((file, "it is in a git repository") for file in made.manifests if _is_in_repository(file))
    changes, kept_files = _boot_changes(made.boot_files, machine)
    return Undoing(tuple(file for file in same if file not in kept), changes, (*kept.items(), *kept_files))


def _digest(file: str) -> str:
    try:
        return sha256(read_limited(Path(file))).hexdigest()
    except (NotReadable, FileNotFoundError):
        return ""


def _is_in_repository(file: str) -> bool:
    return os.path.lexists(file) and repository_above(os.path.realpath(os.path.dirname(file))) is not None


def _boot_changes(
    before: Mapping[str, bytes], machine: OpenHost
) -> tuple[tuple[FileChange, ...], list[tuple[str, str]]]:
    """The changes that have the host boot as it did `before`, and what stays.

    Only an apply of ours with 'persistence: mdevctl' writes these files. What does not say what that apply wanted was
    written by another program.
    """
    history, root = History(machine.state), machine.root
    last = history.last_target()
    desired = history.desired(last.number) if last else None
    if root is None or desired is None or desired.host.persistence is not Persistence.MDEVCTL:
        return (), []
    changes, kept = [], []
    now = boot_contents(root)
    for path in sorted(now.keys() | before.keys()):
        found, wanted = now.get(path), before.get(path)
        holder = _holder(path, desired)
        if found == wanted or not holder:
            continue
        if found is None:
            kept.append((str(root / path), "it was there before, and was removed since"))
        elif _is_ours(path, found, desired, machine):
            changes.append(FileChange(path, found, wanted, holder))
        else:
            kept.append((str(root / path), "another program has changed it since"))
    return tuple(changes), kept


def _holder(path: str, desired: Desired) -> str:
    """Whose file it is: the host's or a guest's of ours; empty where it is not ours."""
    if path == _RULES:
        return "host"
    uuid = uuid_of(Path(path).name)
    return uuid if uuid and any(one.uuid == uuid for one in desired.guests) else ""


def _is_ours(path: str, content: bytes, desired: Desired, machine: OpenHost) -> bool:
    """Whether the file says what was applied last."""
    if path == _RULES:
        return pool_at_boot(content) == Journal(machine.state, machine.boot_id).applied().pool
    uuid = uuid_of(Path(path).name)
    try:
        definition = parse_definition(uuid or "", content)
    except NotADefinition:
        return False
    return any(one.uuid == uuid and one.config == definition.config for one in desired.guests)


def undo(done: Undoing, made: SetUp, machine: OpenHost, progress: "Progress", command: str) -> None:
    """Do what `done` says, and remove the folders that setups have `made` where they are empty then.

    Raises:
        Busy, ToolsBusy: another process was at work.
        NotPersisted, OSError: a file cannot be changed; running it again goes on.
    """
    with locked(machine, progress, command):
        persist(done.changes, machine.root)
    for file in done.removed:
        remove(Path(file))
    for folder in reversed(made.folders):
        with suppress(OSError):  # not empty, or gone
            os.rmdir(folder)


class Adopted(NamedTuple):
    """What is needed to forget that a host was adopted as generation `number`: the `inventory` of before."""

    number: int
    inventory: bytes | None


def forget(adopted: Adopted, machine: OpenHost, progress: "Progress", command: str) -> None:
    """Forget that `machine` was adopted, where nothing has been applied since; nothing of the host changes.

    Raises:
        Busy, ToolsBusy: another process was at work.
        OSError: it cannot be recorded.
    """
    history = History(machine.state)
    with locked(machine, progress, command):
        if not adopted.number or history.numbers()[-1:] != [adopted.number]:
            return
        if adopted.inventory is None:
            machine.state.remove(INVENTORY)
        else:
            machine.state.replace(INVENTORY, adopted.inventory)
        history.forget(adopted.number)
