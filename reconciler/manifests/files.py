"""Manifests by name: which files are read, how much in one run, and which are skipped.

The rules are the same for paths on disk and for the files of a commit (`reconciler.manifests.committed`).
"""

import os
import stat
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum, auto
from itertools import islice
from typing import Final, NamedTuple, Protocol

from reconciler.manifests.data import error
from reconciler.manifests.skipped import is_alike, is_ours, is_simulated_host, skipped_problem
from reconciler.model.problems import FOREIGN_FILES, NO_MANIFESTS, PATH_MISSING, TOO_MUCH, Place, Position, Problem
from reconciler.model.similar import MOST_RANKED, nearest
from reconciler.model.stopping import NEVER, StopToken

FILE_LIMIT: Final = 32 << 20
"""How long a file may be, in bytes."""

MOST_ENTRIES: Final = 200_000
"""How many entries, of any kind, all folders of one run may have together."""

MOST_FOUND: Final = 50_000
"""How many manifests, folders and links there may be in one run."""

MOST_REFUSED: Final = 100
"""After how many entries that cannot be used a directory is taken for the wrong one."""

MOST_FOLDERS: Final = 64
"""How many folders a manifest may be in, one within the other."""

_ENDINGS: Final = (".yaml", ".yml")
_CHECKED_EVERY: Final = 1000
STDIN: Final = "-"
STDIN_NAME: Final = "standard input"
"""The path that stands for standard input, and what places call it."""


class FoundFile(NamedTuple):
    """A manifest: `name` is how people know it (the path as given, and the way from there), `path` where it is read."""

    name: str
    path: str


class Survey(NamedTuple):
    """What was found in some paths.

    Attributes:
        files: the manifests, ascending by name and each real file once.
        problems: the paths that cannot be used.
        folders: the real paths of the folders that were looked into.
        links: the paths of the links in them that lead to manifests and folders.
        skipped: the other files in them whose names look like a manifest's, ascending and each real file once.
    """

    files: list[FoundFile]
    problems: list[Problem]
    folders: frozenset[str]
    links: tuple[str, ...]
    skipped: list[FoundFile]


class Listing(NamedTuple):
    """The manifests that there are, ascending by name, and what is wrong apart from their contents."""

    files: Sequence[FoundFile]
    problems: Sequence[Problem]


class Files(Protocol):
    """Manifests by name, wherever they are kept."""

    @property
    def where(self) -> str:
        """Where they are, for people."""

    def listing(self, stop: StopToken = NEVER) -> Listing:
        """Which there are; `stop` may end it."""

    def content(self, file: FoundFile) -> bytes | Problem:
        """The bytes of `file`, at most `FILE_LIMIT`; or why they cannot be read."""

    def version(self, file: FoundFile) -> Hashable | None:
        """What is the same only as long as the content of `file` is; None where that cannot be known."""


CERTAIN_SECONDS: Final = 2.5
"""So long after its last change a later change shows in its times."""


class DiskFiles:
    """The manifests in `paths`, each time as they are.

    Args:
        paths: files and directories, whose order changes nothing.
        now: seconds since 1970; left out where no file is read twice.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], now: Callable[[], float] = lambda: 0.0) -> None:
        self._paths = paths
        self._now = now

    @property
    def where(self) -> str:
        """See `Files`."""
        return ", ".join(os.fspath(path) for path in self._paths) or "no path at all"

    def listing(self, stop: StopToken = NEVER) -> Listing:
        """See `Files`."""
        found = survey(self._paths, stop)
        skipped = skipped_problem(found.skipped, is_ours)
        return Listing(found.files, [*found.problems, skipped] if skipped else found.problems)

    def content(self, file: FoundFile) -> bytes | Problem:
        """See `Files`."""
        return content_of(file)

    def version(self, file: FoundFile) -> Hashable | None:
        """See `Files`: device, inode, size and times, unless another change may bear the same times."""
        try:
            found = os.stat(file.path)
        except OSError:
            return None
        if self._now() - max(found.st_mtime, found.st_ctime) < CERTAIN_SECONDS:
            return None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def survey(paths: Sequence[str | os.PathLike[str]], stop: StopToken = NEVER) -> Survey:
    """What is in `paths` on disk; see `survey_of`."""
    return survey_of(_Disk(), [os.fspath(path) for path in paths], DiskFiles(paths).where, stop)


class Kind(Enum):
    """What an entry of a folder is; a link is one whatever it leads to."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()


class Status(NamedTuple):
    """What a path leads to: a folder, a file or neither, and by what it is known under each of its names."""

    is_folder: bool
    is_file: bool
    identity: Hashable


class Tree(Protocol):
    """Folders with files and links: a disk, or a commit."""

    def entries(self, folder: str) -> Iterator[tuple[str, Kind]]:
        """What is in the folder with this real path, by name; raises `OSError`."""

    def real(self, path: str) -> str:
        """Where `path` leads, without links on the way."""

    def status(self, path: str) -> Status:
        """What `path` leads to; raises `OSError` where that is nothing."""


class _Disk:
    def entries(self, folder: str) -> Iterator[tuple[str, Kind]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                yield entry.name, Kind.LINK if entry.is_symlink() else Kind.FOLDER if is_folder else Kind.FILE

    def real(self, path: str) -> str:
        return os.path.realpath(path)

    def status(self, path: str) -> Status:
        found = os.stat(path)
        return Status(stat.S_ISDIR(found.st_mode), stat.S_ISREG(found.st_mode), (found.st_dev, found.st_ino))


def survey_of(tree: Tree, paths: Iterable[str], where: str, stop: StopToken = NEVER) -> Survey:
    """What is in `paths` of `tree`, whose order changes nothing; `where` is that for people.

    No folder is looked into twice, however many links lead to it, and no more than `MOST_ENTRIES` and `MOST_FOUND`
    are taken: a directory with more is the wrong one, which is a problem, and so is one with `MOST_REFUSED` problems.
    """
    search = _Search(tree, stop)
    for path in sorted(paths):
        search.add(path)
    files = search.files()
    if not files and not search.problems:
        advice = "Manifests end in .yaml or .yml; names that begin with a dot are skipped."
        search.problems.append(error(NO_MANIFESTS, f"there is no manifest in {where}", (), advice))
    if len(search.problems) >= MOST_REFUSED:
        search.problems.append(_refused_everywhere(where, len(search.problems)))
    return Survey(files, search.problems, frozenset(search.folders), tuple(search.links), search.skipped())


def _refused_everywhere(where: str, number: int) -> Problem:
    why = f"already {number} entries in it cannot be read, or are links that lead out of it"
    return error(FOREIGN_FILES, f"{where} does not look like a directory of manifests: {why}", (), NAME_IT)


NAME_IT: Final = "Name the directory or the files of the manifests with -f."
"""What to do where another directory was probably meant."""


def find_files(
    paths: Sequence[str | os.PathLike[str]], stop: StopToken = NEVER
) -> tuple[list[FoundFile], list[Problem]]:
    """The manifests in `paths`, ascending by name and each real file once; and the paths that cannot be used."""
    found = survey(paths, stop)
    return found.files, found.problems


def content_of(file: FoundFile) -> bytes | Problem:
    """The bytes of `file`, at most `FILE_LIMIT`; or why they cannot be read. Never waits, not even for a pipe."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(file.name, descriptor)
        finally:
            os.close(descriptor)
    except OSError as refused:
        return unreadable(file.name, refused)


def _content(name: str, descriptor: int) -> bytes | Problem:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return _no_file(name)
    content = b"" if status.st_size > FILE_LIMIT else b"".join(_parts(descriptor))
    size = max(status.st_size, len(content))
    return too_large(name, size) if size > FILE_LIMIT else content


def too_large(name: str, size: int) -> Problem:
    """The problem with the file `name`, which has `size` bytes."""
    message = f"{name} has {size} bytes, more than {FILE_LIMIT}"
    return _problem("file-too-large", message, name, "Divide it into several files.")


def _no_file(name: str) -> Problem:
    message = "standard input cannot be read again and again" if name == STDIN else f"{name} is no regular file"
    advice = (
        "Manifests are read from files and directories; commands that read them once also take '-f -', which is "
        "standard input. Otherwise write them to a file, for example with 'cat > guests.yaml', and name it with -f."
    )
    return _problem("not-a-file", message, name, advice)


def nothing_given(name: str) -> Problem:
    """The problem that there is nothing in `name`, which is standard input."""
    return _problem(NO_MANIFESTS, f"{name} is empty", name, "Pipe manifests into it, or name files with -f.")


def too_much(name: str, bound: str) -> Problem:
    """The problem with `name`, with which a `bound` of one run is exceeded, such as ``50,000 documents``."""
    message = f"with {name} there are more than {bound} in one run; this and what follows is not read"
    return _problem(TOO_MUCH, message, name, "Give the directory of one host, and check what else is in it.")


def _too_much_there(name: str, bound: str) -> Problem:
    """The problem with the folder `name`, with which more than `bound` are found in one run."""
    message = f"with {name} there are more than {bound}, so that this does not look like a directory of manifests"
    return _problem(TOO_MUCH, message, name, f"{NAME_IT} Nothing was read.")


class _Search:
    """Collects files by their real path; of several names the first in order stays."""

    def __init__(self, tree: Tree, stop: StopToken) -> None:
        self.problems: list[Problem] = []
        self.folders: set[str] = set()
        self.links: list[str] = []
        self._tree = tree
        self._stop = stop
        self._found: dict[str, str] = {}
        self._skipped: dict[str, str] = {}
        self._entries = 0  # seen, of any kind
        self._taken = 0  # of these, manifests, folders and links
        self._is_over = False

    def files(self) -> list[FoundFile]:
        return sorted(FoundFile(name, real) for real, name in self._found.items())

    def skipped(self) -> list[FoundFile]:
        return sorted(FoundFile(name, real) for real, name in self._skipped.items() if real not in self._found)

    def add(self, path: str) -> None:
        real = self._tree.real(path)
        try:
            status = self._tree.status(path)
            if status.is_folder:
                self._add_folder(path, real, _Root(real, set()), 0)
        except OSError as refused:
            is_stdin = path == STDIN and isinstance(refused, FileNotFoundError)
            self.problems.append(_no_file(path) if is_stdin else unreadable(path, refused, self._probably_meant(path)))
            return
        if status.is_file:
            self._add_file(path, real)
        elif not status.is_folder:
            # The real path of /dev/stdin, where that is a pipe, names nothing that could be opened.
            self.problems.append(_no_file(path))

    def _probably_meant(self, path: str) -> str:
        folder, name = os.path.split(path.rstrip("/"))
        with suppress(OSError, KeyError):
            every = sorted(islice(self._tree.entries(folder or os.curdir), MOST_RANKED))
            near = nearest(name, (one for one, kind in every if kind is Kind.FOLDER or one.endswith(_ENDINGS)))
            found = os.path.join(folder, near) if near not in ("", name) else ""
            return "" if is_simulated_host(found) else found
        return ""

    def _add_file(self, name: str, real: str) -> None:
        self._found[real] = min(name, self._found.get(real, name))

    def _skip(self, name: str, real: str) -> None:
        self._skipped[real] = min(name, self._skipped.get(real, name))

    def _add_folder(self, name: str, real: str, root: "_Root", depth: int) -> None:
        identity = self._tree.status(real).identity
        if identity in root.seen or self._is_over:
            return
        if depth >= MOST_FOLDERS:
            message = f"{name} is within {depth} folders, more than are looked into"
            self.problems.append(_problem("folder-too-deep", message, name, "Keep manifests in fewer folders."))
            return
        root.seen.add(identity)
        entries = self._entries_of(name, real)
        self.folders.add(real)
        for entry, kind in entries:
            self._stop.check()
            if len(self.problems) >= MOST_REFUSED:
                self._is_over = True
                return
            shown = os.path.join(name, entry)
            try:
                self._add_entry(os.path.join(real, entry), kind, shown, root, depth)
            except OSError as refused:  # a link that leads in a circle, or whose text is no name
                self.problems.append(unreadable(shown, refused))

    def _entries_of(self, name: str, folder: str) -> list[tuple[str, Kind]]:
        """What may matter in `folder`, in order; nothing where that is too much, since a part would be any part."""
        found: list[tuple[str, Kind]] = []
        for entry, kind in self._tree.entries(folder):
            self._entries += 1
            if not self._entries % _CHECKED_EVERY:
                self._stop.check()
            if not entry.startswith(".") and (entry.endswith(_ENDINGS) or kind is not Kind.FILE):
                found.append((entry, kind))
            elif is_alike(entry):
                self._skip(os.path.join(name, entry), os.path.join(folder, entry))
            if self._entries > MOST_ENTRIES or self._taken + len(found) > MOST_FOUND:
                is_full = self._entries > MOST_ENTRIES
                bound = f"{MOST_ENTRIES:,} entries" if is_full else f"{MOST_FOUND:,} manifests, folders and links"
                self.problems.append(_too_much_there(name, bound))
                self._is_over = True
                return []
        files = {entry for entry, _ in found}
        found = [(entry, kind) for entry, kind in found if kind is not Kind.FOLDER or not _is_state(entry, files)]
        self._taken += len(found)
        return sorted(found, key=lambda one: one[0])

    def _add_entry(self, path: str, kind: Kind, name: str, root: "_Root", depth: int) -> None:
        real, is_folder = path, kind is Kind.FOLDER
        if kind is Kind.LINK:
            real = self._tree.real(path)
            with suppress(FileNotFoundError):
                is_folder = self._tree.status(path).is_folder
            if not (is_folder or name.endswith(_ENDINGS)):
                if is_alike(os.path.basename(name)) and _is_inside(real, root.path):
                    self._skip(name, real)
                return
            if not _is_inside(real, root.path):
                self.problems.append(_leaves(name, real))
                return
            self.links.append(path)
        if is_folder:
            self._add_folder(name, real, root, depth + 1)
        else:
            self._add_file(name, real)


class _Root(NamedTuple):
    """A directory that was given, and the folders below it that were looked into."""

    path: str
    seen: set[Hashable]


def _is_state(folder: str, files: Container[str]) -> bool:
    """Whether it is what is kept of a simulated host beside its description, maybe readable for another user only."""
    described = folder.removesuffix(".run").removesuffix(".state")
    return described != folder and described.endswith(_ENDINGS) and described in files


def _is_inside(real: str, root: str) -> bool:
    return real.startswith(root.rstrip("/") + "/") or real == root


def _parts(descriptor: int) -> Iterator[bytes]:
    left = FILE_LIMIT + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        left -= len(part)
        yield part


def _leaves(name: str, real: str) -> Problem:
    message = f"the link {name} leaves its directory: it leads to {real}"
    return _problem("link-leaves-directory", message, name, "Put the file itself there, or give its path as well.")


def unreadable(name: str, refused: OSError, near: str = "") -> Problem:
    """The problem with `name`, which is not there, so that perhaps `near` was meant, or not to be read."""
    if isinstance(refused, FileNotFoundError):
        advice = f"Did you mean {near!r}?" if near else "Check the path. If it is a link, check where it leads."
        return _problem(PATH_MISSING, f"{name} does not exist", name, advice)
    message = f"{name} cannot be read: {refused.strerror}"
    return _problem("unreadable", message, name, "Check its permissions, and those of the folders above it.")


def _problem(id: str, message: str, name: str, help: str) -> Problem:
    return error(id, message, (Place(Position(name, 1, 1), is_whole=True),), help)


MOST_BYTES: Final = 32 << 20
MOST_DOCUMENTS: Final = 50_000
"""Of all kinds and hosts, also empty ones."""

MOST_VALUES: Final = 1_500_000
"""Lines, commas and colons: a document has about as many keys and values."""


class Amount(NamedTuple):
    """How much there is to read."""

    bytes: int = 0
    documents: int = 0
    values: int = 0

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.bytes + other.bytes, self.documents + other.documents, self.values + other.values)

    @property
    def exceeded(self) -> str:
        """The bound that this is above, for people; empty where it is within all of them."""
        if self.bytes > MOST_BYTES:
            return f"{MOST_BYTES >> 20} MiB"
        if self.documents > MOST_DOCUMENTS:
            return f"{MOST_DOCUMENTS:,} documents"
        return f"{MOST_VALUES:,} lines, commas and colons" if self.values > MOST_VALUES else ""


def amount_of(content: bytes) -> Amount:
    """How much `content` is; found without parsing it, so documents may be a few less."""
    documents = 1 + content.count(b"\n---") + content.count(b"\n...")
    return Amount(len(content), documents, content.count(b"\n") + content.count(b",") + content.count(b":"))
