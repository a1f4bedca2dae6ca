"""Whose signatures are good, as the administrator says, and what became of checking one."""

import os
import shlex
import stat
from hashlib import sha256
from typing import Literal, NamedTuple

Format = Literal["ssh", "gpg"]


class NoTrust(Exception):
    """What was given says of no keys that they are trusted; the text says why."""


class Trust(NamedTuple):
    """Whose signatures are good.

    Attributes:
        format: of the signatures; one in another format is refused, whoever made it.
        keys: the file with the keys: ssh-keygen(1)'s ALLOWED SIGNERS, or exported GPG keys.
        revoked: for SSH, a file with keys that are trusted no more (a list of them, or a KRL); empty for none.
    """

    format: Format
    keys: str
    revoked: str = ""

    def problem(self) -> str:
        """Why these files are not to be trusted; empty if they are (nobody but us can write to them)."""
        return next((found for file in (self.keys, self.revoked) if file and (found := _file_problem(file))), "")

    def digest(self) -> str:
        """Changes when the files change.

        Raises:
            OSError: one cannot be read.
        """
        total = sha256()
        for file in (self.keys, self.revoked):
            if file:
                with open(file, "rb") as stream:
                    total.update(sha256(stream.read()).digest())
        return total.hexdigest()


class Good(NamedTuple):
    """The commit was signed by `signer` (as the file with the keys calls them) with `key` (its fingerprint)."""

    signer: str
    key: str


class Bad(NamedTuple):
    """The commit's signature is missing or not good; `reason` is a sentence about "it"."""

    reason: str


class Unchecked(NamedTuple):
    """The check itself has failed, which says nothing about the commit; `reason` is why, and what to do about it."""

    reason: str


Verdict = Good | Bad | Unchecked


class Signed(NamedTuple):
    """A commit that has one signature: what was signed, and the signature."""

    payload: bytes
    signature: bytes


def trust(text: str, revoked: str = "") -> Trust:
    """What ``ssh:FILE`` or ``gpg:FILE`` means; the paths become absolute.

    Raises:
        NoTrust: it is neither, or there are `revoked` keys with GPG (a revocation belongs into the file there).
    """
    kind, colon, file = text.partition(":")
    if kind not in {"ssh", "gpg"} or not colon or not file:
        raise NoTrust(f"{text!r} is neither ssh:FILE (allowed signers) nor gpg:FILE (exported keys)")
    if revoked and kind == "gpg":
        raise NoTrust("keys that are revoked say so themselves with GPG: export them again into the file")
    return Trust("ssh" if kind == "ssh" else "gpg", os.path.abspath(file), os.path.abspath(revoked) if revoked else "")


def _file_problem(file: str) -> str:
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode):
            return f"{file} is no regular file; give a file with keys"
        if found.st_uid not in {0, os.geteuid()}:
            return f"{file} belongs to another user than you and root; look at what is in it, then run: {_chown(file)}"
        if found.st_mode & 0o022:
            return (
                f"others than you can write to {file}; look at what is in it, then run: chmod go-w {shlex.quote(file)}"
            )
        with open(file, "rb"):
            return ""
    except OSError as error:
        return f"{file}: {error.strerror}"


def _chown(file: str) -> str:
    return f"chown {os.geteuid()} {shlex.quote(file)}"
