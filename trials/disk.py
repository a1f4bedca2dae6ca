"""What a disk may hold after a power loss: a model of what was written, and what of it was synced.

POSIX promises only this: after fsync(2) of a file its content is on disk, after fsync of a directory the names in it.
Anything else may be there or not: common file systems keep names before contents, sizes before data, or neither.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from trials.system_calls import Call

Image = Mapping[str, bytes | None]
"""Files by path, ascending, with their content; None is a directory."""

_Kept = Callable[[bytes, bytes], bytes]
"""What is kept of a file: of what was synced, and of what there is now."""

LOST: Final = "what was not synced is lost"
NAMES: Final = "names are there, contents are not"
TORN: Final = "names are there, and half of the contents"
ZEROED: Final = "names and sizes are there, contents are zeros"
ALL: Final = "everything is there"


class _Node(NamedTuple):
    inode: int
    content: bytes | None


class Disk:
    """The folder at `root`, which is on disk as it is now; all that happens in it has to be told to `before`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._now = self._read()
        self._contents = {node.inode: node.content for node in self._now.values() if node.content is not None}
        self._names = dict(self._now)

    def before(self, call: Call) -> None:
        """`call` is about to be made: look at what there is, and note what it puts on disk."""
        self.look()
        if call.name != "sync":
            return
        node = self._now.get(call.path)
        if node is not None and node.content is not None:
            self._contents[node.inode] = node.content
            return
        entries = {path for path in {*self._now, *self._names} if str(Path(path).parent) == (call.path or ".")}
        for path in entries:
            if path in self._now:
                self._names[path] = self._now[path]
            else:
                del self._names[path]

    def look(self) -> None:
        """Look at what there is."""
        self._now = self._read()

    def images(self) -> dict[str, Image]:
        """What the disk may hold if the power is lost now, by how."""
        return {
            LOST: self._image(self._names, lambda was, now: was),
            NAMES: self._image(self._now, lambda was, now: was),
            TORN: self._image(self._now, _torn),
            ZEROED: self._image(self._now, lambda was, now: was + bytes(max(0, len(now) - len(was)))),
            ALL: self._image(self._now, lambda was, now: now),
        }

    def _image(self, names: Mapping[str, _Node], kept: _Kept) -> Image:
        image: dict[str, bytes | None] = {}
        for path, node in sorted(names.items()):
            parent = str(Path(path).parent)
            if parent != "." and parent not in image:
                continue  # the name of its directory is lost
            now = self._content_now(node)
            image[path] = None if now is None else kept(self._contents.get(node.inode, b""), now)
        return image

    def _content_now(self, node: _Node) -> bytes | None:
        # A name that was removed or replaced, but may still be on disk: with its content as it was last.
        return next((one.content for one in self._now.values() if one.inode == node.inode), node.content)

    def _read(self) -> dict[str, _Node]:
        return {
            str(one.relative_to(self._root)): _Node(one.stat().st_ino, None if one.is_dir() else one.read_bytes())
            for one in self._root.rglob("*")
        }


def _torn(was: bytes, now: bytes) -> bytes:
    kept = len(was) if now.startswith(was) else 0
    return now[: kept + (len(now) - kept) // 2]


def restore(image: Image, root: Path) -> None:
    """Put `image` into the empty folder `root`."""
    for path, content in image.items():
        if content is None:
            (root / path).mkdir(mode=0o700)
        else:
            (root / path).touch(mode=0o600)
            (root / path).write_bytes(content)
