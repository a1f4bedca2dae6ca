"""Folders within folders, for tests: deeper than any path may be long."""

import os
import zlib
from hashlib import sha1
from pathlib import Path

from testing.git_repositories import Repository


def deep_folders(path: Path, depth: int, name: bytes = b"d") -> None:
    """Make `path`, and so many folders called `name` one within the other in it, with a file at the bottom."""
    path.mkdir(parents=True)
    here = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def deep_commit(repository: Repository, depth: int) -> str:
    """The id of a commit that has, beside what there is, a manifest in so many folders, one within the other."""
    objects = repository.path / ".git/objects"

    def put(kind: bytes, body: bytes) -> bytes:
        content = b"%s %d\0%s" % (kind, len(body), body)
        identity = sha1(content, usedforsecurity=False)
        file = objects / identity.hexdigest()[:2] / identity.hexdigest()[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(content, 1))
        return identity.digest()

    # Newer versions of git end at 2,048 folders; this one serves what is there.
    repository.git("config", "core.maxTreeDepth", "8192")
    last = put(b"tree", b"100644 deep.yaml\0" + put(b"blob", b"kind: Guest\n"))
    for _ in range(depth - 1):
        last = put(b"tree", b"40000 d\0" + last)
    listing = repository.git("ls-tree", "HEAD") + f"\n040000 tree {last.hex()}\tdeep\n"
    tree = repository.git("mktree", given=listing.encode())
    commit = repository.git("commit-tree", tree, "-p", "HEAD", "-m", "Deep")
    repository.git("update-ref", "refs/heads/main", commit)
    return commit
