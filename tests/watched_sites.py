"""What loops of tests guard: a host with two cards, manifests, and where a loop is told to look."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from git_repositories import Repository
from loops import Loop, watching
from mounts import MountedHost

SIMULATED: Final = """apiVersion: reconciler/v1
kind: SimulatedHost
metadata: {name: lpar7}
spec:
  kernel: "6.12"
  adapters: [{id: 4, type: CEX8, mode: cca}, {id: 5, type: CEX8, mode: ep11}]
  usageDomains: [4, 5]
  maxDomain: 255
"""
HOST: Final = """apiVersion: reconciler/v1
kind: Host
metadata: {name: lpar7}
spec: {pool: {adapters: [5, 7, 9]}}
"""
GUEST: Final = """apiVersion: reconciler/v1
kind: Guest
metadata: {{name: {name}}}
spec: {{adapters: [{adapters}], domains: [{domains}]}}
"""
BROKEN: Final = "apiVersion: reconciler/v1\nkind: Guest\n  metadata: {\n"
LEISURELY: Final = ("--git-interval", "1h", "--resync", "1h")
"""Nothing happens by the way: each turn is one that a test has asked for, or that a change has led to."""


def guest(adapters: str = "5, 9", domains: str = "4", name: str = "payments") -> str:
    """The manifest of a guest."""
    return GUEST.format(name=name, adapters=adapters, domains=domains)


def following(repository: Repository, file: Path, *words: str) -> AbstractContextManager[Loop]:
    """A loop that applies what `repository` says to the simulated host of `file`."""
    state = file.with_name(f"{file.name}.state")
    source = ("--apply", "--git", repository.url, "--branch", "main", *LEISURELY)
    return watching(state, ("--simulate", str(file)), *source, *words)


def guarding(repository: Repository, host: MountedHost, *words: str) -> AbstractContextManager[Loop]:
    """A loop that applies what `repository` says to the mounted `host`."""
    state = host.root.with_name("state")
    source = ("--apply", "--git", repository.url, "--branch", "main", *LEISURELY)
    return watching(state, ("--sysfs", str(host.root), "--state-dir", str(state)), *source, *words)
