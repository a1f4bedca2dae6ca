"""Where manifests come from in git: a repository, a branch, a directory in it. Checked before git sees them."""

import os
import re
import shlex
from typing import Final, NamedTuple

from reconciler.model.errors import InputError

PROTOCOLS: Final = ("https", "ssh", "file")
"""What git may speak. ``http`` and ``git`` do not say who answers, and every other name makes git run a program."""

_SECRET: Final = re.compile(r"(?<=://)[^/\s]*@")
_PASSWORD: Final = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]*(?=@)")
_WEB_USER: Final = re.compile(r"https?://[^/\s@]+@", re.IGNORECASE)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HELPER: Final = re.compile(r"[A-Za-z0-9+.-]*::")
_SCP_LIKE: Final = re.compile(r"[^/:]+:")
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")
_NOT_IN_A_BRANCH: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.-]|[/.]$|^@$")


class NotAnAddress(InputError):
    """What was given names no repository, branch or directory that we would use; the text says why."""


class Address(NamedTuple):
    """A directory in a branch of a repository, as `address` makes it.

    Attributes:
        url: for git; may hold a password.
        branch: its short name, such as ``main``.
        path: the directory with the manifests, from the top of the repository; empty for the whole of it.
    """

    url: str
    branch: str
    path: str = ""

    @property
    def location(self) -> str:
        """For people, without credentials."""
        place = f"{without_secrets(self.url)} branch {self.branch}"
        return f"{place} path {self.path}" if self.path else place

    @property
    def reach(self) -> str:
        """The command that asks the repository for the branch, for a shell; without a password."""
        url = _PASSWORD.sub(r"\1", self.url) if self.url.startswith("ssh:") else without_secrets(self.url)
        return shlex.join(("git", "ls-remote", "--exit-code", url, self.branch))


def address(url: str, branch: str, path: str = "") -> Address:
    """The address of `path` in `branch` of the repository at `url`; a path of this machine becomes absolute.

    Raises:
        NotAnAddress: one of them cannot be used.
    """
    return Address(_url(url), _branch(branch), _path(path))


def local_path(url: str) -> str:
    """Where on this machine the repository at `url` is; empty where it is elsewhere."""
    if url.startswith("/"):
        return url
    return f"/{url.removeprefix('file://').partition('/')[2]}" if url.startswith("file://") else ""


def without_secrets(text: str) -> str:
    """`text` without users and passwords in its URLs: ``https://kim:secret@host/`` becomes ``https://host/``."""
    return _SECRET.sub("", text)


def has_secret(text: str) -> bool:
    """Whether a URL in `text` has a password, or by HTTP a user, which may be a token."""
    return bool(_PASSWORD.search(text) or _WEB_USER.search(text))


def _url(url: str) -> str:
    shown = without_secrets(url)
    if not url or url.startswith("-") or _CONTROL.search(url):
        raise NotAnAddress(f"{shown!r} names no repository: it is empty, begins with '-' or has spaces in it")
    if found := _SCHEME.match(url):
        scheme, rest = found.groups()
        if scheme not in PROTOCOLS:
            raise NotAnAddress(f"{shown!r}: {scheme} is not used; give a repository by https, ssh or file")
        host = rest.partition("/")[0].rpartition("@")[2]
        if scheme != "file" and (not host or host.startswith("-")):
            raise NotAnAddress(f"{shown!r} names no host")
        return url
    if _HELPER.match(url):
        raise NotAnAddress(f"{shown!r} would have git run a program; give a repository by https, ssh or file")
    if _SCP_LIKE.match(url):
        if url.partition(":")[0].rpartition("@")[2].startswith("-"):
            raise NotAnAddress(f"{shown!r} names no host")
        return url
    return os.path.abspath(url)


def _branch(branch: str) -> str:
    """The rules are those of git-check-ref-format(1); a name that begins with '-' is refused as ``git branch`` does."""
    if not branch or _NOT_IN_A_BRANCH.search(branch):
        raise NotAnAddress(f"{branch!r} is no name of a branch")
    return branch


def _path(path: str) -> str:
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if "\0" in path or ".." in parts:
        raise NotAnAddress(f"{path!r} is no directory in a repository: give it from the top, without '..'")
    if path.startswith("/"):
        cure = f"give it from the top of the repository: --path {shlex.quote('/'.join(parts))}"
        if not parts:
            cure = "for the whole repository, leave --path out"
        raise NotAnAddress(f"{path!r} begins with a slash, as a directory of this machine does; {cure}")
    return "/".join(parts)
