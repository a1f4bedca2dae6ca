"""The commands of git that are printed: where the manifests are, and what takes a commit back."""

import os
from collections.abc import Sequence
from typing import Final

from reconciler.cli.options import HostOptions
from reconciler.model.outcome import Origin
from reconciler.model.printable import shell_line

_SHORT: Final = 12
"""How many digits of a commit are shown."""


def reverting(origin: Origin, at: Sequence[str] = ()) -> str:
    """The command that reverts the commit of `origin`; `at` is the option for the directory, see `in_repository`."""
    side = ("-m", "1") if len(origin.parents) > 1 else ()
    return shell_line(("git", *at, "revert", "--no-edit", *side, origin.commit.removesuffix("+")[:_SHORT]))


def in_repository(host: HostOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The option of git for the directory of the manifests, and the manifests as git is given them there."""
    paths = [str(one) for one in host.paths] or [os.curdir]
    first = paths[0]
    directory = first if os.path.isdir(first) else os.path.dirname(first) or os.curdir
    at = () if directory == os.curdir else ("-C", directory)
    if len(paths) > 1:
        return at, tuple(map(os.path.abspath, paths))
    return at, (os.curdir if os.path.isdir(first) else os.path.basename(first),)
