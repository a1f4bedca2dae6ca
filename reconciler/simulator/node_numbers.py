"""The numbers by which the kernel's FUSE driver knows the paths that it has looked up."""

from reconciler.simulator.fuse_messages import ROOT_NODE


class NodeNumbers:
    """Paths and their numbers. A number stays in use as long as the kernel has not forgotten it as often as found."""

    def __init__(self) -> None:
        self._paths = {ROOT_NODE: ""}
        self._numbers = {"": ROOT_NODE}
        self._found = {ROOT_NODE: 1}
        self._last = ROOT_NODE

    def path(self, number: int) -> str:
        """The path with `number`, relative to the root."""
        return self._paths[number]

    def found(self, path: str) -> int:
        """The number of `path`, which the kernel has looked up once more."""
        number = self._numbers.get(path)
        if number is None:
            self._last += 1
            number = self._numbers[path] = self._last
            self._paths[number] = path
        self._found[number] = self._found.get(number, 0) + 1
        return number

    def forget(self, number: int, count: int) -> None:
        """The kernel forgets `count` times that it has found the path with `number`."""
        if number == ROOT_NODE:
            return
        self._found[number] -= count
        if self._found[number] <= 0:
            del self._found[number], self._numbers[self._paths.pop(number)]

    def __len__(self) -> int:
        return len(self._paths)
