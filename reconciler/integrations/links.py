"""Links on the way of a path: what else than a file's own folder decides what is found under its name."""

import os
from collections import deque
from collections.abc import Iterator
from typing import Final

_MOST_LINKS: Final = 40  # as many as the kernel follows (path_resolution(7))


def way(path: str) -> Iterator[tuple[str, str]]:
    """What decides where `path` leads, as directory and name: each link on the way, and its end.

    Where something is missing that is the end: it may be made one day.
    """
    here, links = "/", 0
    parts = deque(os.path.join(os.getcwd(), path).split("/"))
    while parts:
        part = parts.popleft()
        if part in {"", "."}:
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        full = os.path.join(here, part)
        target = _target(full)
        if target is not None:
            yield here, part
            links += 1
            if links > _MOST_LINKS:
                return
            parts.extendleft(reversed(target.split("/")))
            here = "/" if target.startswith("/") else here
        elif not any(parts) or not os.path.isdir(full):
            yield here, part
            return
        else:
            here = full


def links_on(path: str) -> Iterator[str]:
    """The real path of each link on the way of `path`, which itself may be one."""
    for folder, name in way(path):
        found = os.path.join(folder, name)
        if os.path.islink(found):
            yield found


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
