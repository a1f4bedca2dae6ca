"""Who signed a commit: only a signature of the required format, by a key that the administrator has named, is good.

SSH signatures: gitformat-signature(5), ssh-keygen(1) under ALLOWED SIGNERS and ``-Y``. GPG signatures are checked
against a keyring that holds the named keys and no other (gpg(1), GnuPG's doc/DETAILS).
"""

import base64
import os
import re
import shlex
import stat
import tempfile
import time
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, NamedTuple

from reconciler.integrations.git_command import BOUNDS, Ended, Git, GitFailed, NoProgram, reason
from reconciler.kernel.processes import Completed
from reconciler.model.errors import InputError

Format = Literal["ssh", "gpg"]


class NoTrust(InputError):
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
        """Why these files are not to be trusted; empty if they are (only we can write to them)."""
        return next((found for file in (self.keys, self.revoked) if file and (found := _file_problem(file))), "")

    def keyless(self) -> str:
        """That the file with the keys holds none; empty where it seems to hold one.

        Raises:
            OSError: it cannot be read.
        """
        content = Path(self.keys).read_bytes()
        if self.format == "ssh":
            return "" if _has_key(content) else _no_ssh_key(self.keys)
        return "" if _has_gpg_key(content) else f"there is no GPG key in {self.keys}; write one with gpg --export"

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


class GoodSignature(NamedTuple):
    """The commit was signed by `signer` (as the file with the keys calls them) with `key` (its fingerprint)."""

    signer: str
    key: str


class Bad(NamedTuple):
    """The commit's signature is missing or not good; `reason` is a sentence about "it"."""

    reason: str


class Unchecked(NamedTuple):
    """The check itself has failed, which says nothing about the commit; `reason` is why, and what to do about it."""

    reason: str


Verdict = GoodSignature | Bad | Unchecked


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


_GOOD: Final = re.compile(r'^Good "git" signature for (.+) with (\S+) key (\S+)$', re.MULTILINE)
_KEY: Final = re.compile(r"with (\S+) key (\S+)")
_COMMITTED: Final = re.compile(rb"^committer .*> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)

_ANSWERS: Final = frozenset({0, 255})
"""How ssh-keygen ends when it has found a signature good or bad; whatever else it ends with is no answer."""

_CONTROL: Final = b"control\n"
_CONTROL_SIGNATURE: Final = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgLu+xkNntfS7WNeabbWjcKj+w+s
J/pMY6BjfN30MjsKcAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQHabu0Gq49i4h8Rj3f3fMg8FZp7VBLkiXpl/gn3f+euKVLBAaNB1wOrg0rUVHILsjz
YkHaV2wvGKjtlE7HKR7A8=
-----END SSH SIGNATURE-----
"""
_CONTROL_SIGNER: Final = "control ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC7vsZDZ7X0u1jXmm21o3Co/sPrCf6TGOgY3zd9DI7Cn\n"
"""A signature that is good, by a key that has signed nothing else and is kept nowhere."""


def _verify_ssh(git: Git, commit: str, signed: Signed, trusted: Trust) -> Verdict:
    """Whether `commit` has a good signature by a signer whom the allowed signers name, now.

    Git checks ``valid-before`` against the time that the commit says it was made, which whoever has an old key can
    choose. So we ask again for today. ssh-keygen ends with the same code whether a signature is bad or it could not
    look at it: bad is only what it refuses while it finds a control signature good.

    Raises:
        GitFailed: a program is missing or does not end.
        Stopped: nothing is run any more.
        OSError: there is no room for the signature.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        check = _Check(git, Path(folder, "signature"), signed.payload, trusted)
        check.signature.write_bytes(signed.signature)
        found = _by_git(git, commit, trusted)
        if found and found[0] in check.signers()[0]:
            return GoodSignature(found[0], f"{found[1]} {found[2]}")
        if problem := _defect(git, Path(folder), trusted):
            return Unchecked(problem)
        return _why(check)


def _by_git(git: Git, commit: str, trusted: Trust) -> tuple[str, str, str] | None:
    """Signer, kind of key and key of a signature that git finds good."""
    settings = {"gpg.ssh.allowedSignersFile": trusted.keys, "gpg.minTrustLevel": "fully", "gpg.program": "false"}
    if trusted.revoked:
        settings["gpg.ssh.revocationFile"] = trusted.revoked
    answer = git.answer("verify-commit", "--raw", commit, settings=settings)
    answer.output.close()
    found = None if answer.code else _GOOD.search(answer.said)
    return (found[1], found[2], found[3]) if found else None


class _Check:
    """Asks ssh-keygen about the file `signature` of `payload`."""

    def __init__(self, git: Git, signature: Path, payload: bytes, trusted: Trust) -> None:
        self.signature = signature
        self.payload = payload
        self.trusted = trusted
        self._git = git

    def signers(self) -> tuple[list[str], str]:
        """The signers who may use the key today, and what ssh-keygen said."""
        answer = self._ask("find-principals", "-f", self.trusted.keys)
        with answer.output:
            return _text(answer).splitlines() if not answer.code else [], answer.said

    def key(self) -> str:
        """The key, if the signature fits; else empty."""
        answer = self._ask("check-novalidate", "-n", "git", given=self.payload)
        with answer.output:
            found = _KEY.search(_text(answer))
        return " ".join(found.groups()) if found and not answer.code else ""

    def allows(self, signer: str, *options: str) -> bool:
        """Whether `signer` may sign this for git, with `options` of ssh-keygen."""
        answer = self._ask("verify", "-n", "git", "-I", signer, "-f", self.trusted.keys, *options, given=self.payload)
        answer.output.close()
        return not answer.code

    def _ask(self, *words: str, given: bytes = b"") -> Completed:
        answer = self._git.program("ssh-keygen", "-Y", *words, "-s", str(self.signature), given=given)
        if answer.code not in _ANSWERS:
            answer.output.close()
            raise Ended(f"ssh-keygen ended with {answer.code}: {reason(answer.said) or 'without a reason'}")
        return answer


def _defect(git: Git, folder: Path, trusted: Trust) -> str:
    """Why ssh-keygen can find no signature good here, or cannot read a file of `trusted`; empty if it can."""
    if not _has_key(Path(trusted.keys).read_bytes()):
        return _no_ssh_key(trusted.keys)
    signers = folder / "signers"
    signers.write_text(_CONTROL_SIGNER, encoding="ascii")
    check = _Check(git, folder / "control", _CONTROL, Trust("ssh", str(signers)))
    check.signature.write_bytes(_CONTROL_SIGNATURE)
    found, said = check.signers()
    if found != ["control"] or not check.key() or not check.allows("control"):
        return f"ssh-keygen does not find a good signature good: {reason(said) or 'without a reason'}"
    # A list that ssh-keygen cannot read revokes every key, also this one.
    if trusted.revoked and not check.allows("control", "-r", trusted.revoked):
        return (
            f"ssh-keygen cannot read the revoked keys in {trusted.revoked}; give public keys or a list by ssh-keygen -k"
        )
    return ""


def _has_key(content: bytes) -> bool:
    """Whether a line of a file of allowed signers has a public key, which repeats its kind (RFC 4253, 6.6)."""
    lines = (line.split() for line in content.splitlines() if not line.lstrip().startswith(b"#"))
    return any(_is_key(kind, text) for words in lines for kind, text in pairwise(words))


def _no_ssh_key(file: str) -> str:
    return f"no line of {file} has an SSH key; add one as ssh-keygen(1) says under ALLOWED SIGNERS"


_ARMOR: Final = re.compile(
    rb"^-----BEGIN PGP (?:PUBLIC|PRIVATE) KEY BLOCK-----\s*\n(?:[^\n]*: [^\n]*\n)*\s*^([A-Za-z0-9+/]{4})",
    re.MULTILINE,
)
_KEY_TAGS: Final = frozenset({5, 6})
"""Packets that a key begins with: secret, public (RFC 9580, 5)."""


def _has_gpg_key(content: bytes) -> bool:
    """Whether `content` has a key's first packet, as such or in ASCII armor (RFC 9580, 4.2 and 6)."""
    found = [base64.b64decode(one) for one in _ARMOR.findall(content)]
    return any(_tag(one) in _KEY_TAGS for one in (*found, content))


def _tag(packet: bytes) -> int:
    """What kind of packet begins so: in the old form of its head, or in the new one; -1 where none does."""
    if not packet or not packet[0] & 0x80:
        return -1
    return packet[0] & 0x3F if packet[0] & 0x40 else packet[0] >> 2 & 0xF


def _is_key(kind: bytes, text: bytes) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(len(kind).to_bytes(4, "big") + kind)
    except ValueError:
        return False


def _why(check: _Check) -> Verdict:
    """Why git does not find the signature good, or that nothing is known about it."""
    trusted = check.trusted
    key = check.key()
    if not key:
        return Bad("its signature does not fit: it was changed after it was signed, or signed for something else")
    signers, said = check.signers()
    if not signers:
        if "has expired" in said:
            return Bad(f"it is signed with {key}, which has expired in {trusted.keys}")
        if "not yet valid" in said:
            return Bad(f"it is signed with {key}, which is not yet valid in {trusted.keys}")
    allowed = next((one for one in signers if check.allows(one)), "")
    if not allowed:
        return Bad(f"it is signed with {key}, which {trusted.keys} does not allow for git")
    if trusted.revoked and not check.allows(allowed, "-r", trusted.revoked):
        return Bad(f"it is signed with {key}, which is revoked in {trusted.revoked}")
    if (then := _COMMITTED.search(check.payload)) and not check.allows(allowed, f"-Overify-time={_time(then[1])}"):
        return Bad(f"it is signed with {key}, which {trusted.keys} does not allow for the time that the commit bears")
    return Unchecked("git does not find a signature good that ssh-keygen finds good")


def _time(seconds: bytes) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.localtime(int(seconds)))


def _text(answer: Completed) -> str:
    return answer.output.read().decode("utf-8", "replace")


_STATUS: Final = "[GNUPG:] "

_SETTINGS: Final = """\
batch
quiet
no-tty
no-autostart
trust-model always
no-auto-key-retrieve
no-auto-key-locate
disable-dirmngr
no-auto-check-trustdb
"""
"""What is in the keyring is trusted, nothing is looked up elsewhere, and no daemon is left behind."""

_NOT_GOOD: Final = {
    "BADSIG": "its signature does not fit: it was changed after it was signed ({who})",
    "REVKEYSIG": "it is signed with a key that is revoked ({who})",
    "EXPKEYSIG": "it is signed with a key that has expired ({who})",
    "EXPSIG": "its signature has expired ({who})",
}

_UNREADABLE: Final = frozenset({"NODATA", "BADARMOR", "UNEXPECTED"})
"""What gpg reports of data that is no signature."""


def _verify_gpg(git: Git, commit: str, trusted: Trust) -> Verdict:
    """Whether `commit` has exactly one signature, which is good, by a key of the file.

    Raises:
        GitFailed: a program is missing or does not end.
        Stopped: nothing is run any more.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # private: 0700
        Path(home, "gpg.conf").write_text(_SETTINGS, encoding="utf-8")
        imported = git.program("gpg", "--homedir", home, "--status-fd", "1", "--import", "--", trusted.keys)
        with imported.output:
            read = _status(_utf8(imported))
        if not any(word == "IMPORT_OK" for word, _ in read):
            return Unchecked(f"there is no GPG key in {trusted.keys}, or gpg cannot read it: {_said(imported)}")
        answer = git.answer(
            "verify-commit", "--raw", commit, settings={"gpg.ssh.program": "false"}, environment={"GNUPGHOME": home}
        )
        answer.output.close()
        found = _verdict(answer, _status(answer.said), trusted)
        if any(word == "NO_PUBKEY" for word, _ in _status(answer.said)) and not _has_all(
            git, home, imported.code, read
        ):
            return Unchecked(f"gpg could not read all keys of {trusted.keys}: {_said(imported)}")
        return found


def _has_all(git: Git, home: str, code: int, read: list[tuple[str, str]]) -> bool:
    """Whether the keyring at `home` has all keys of the file; there may have been no room for some."""
    keys = [rest.split(" ")[-1] for word, rest in read if word == "IMPORT_OK"]
    found = [int(rest.split(" ")[0]) for word, rest in read if word == "IMPORT_RES"]
    kept = git.program("gpg", "--homedir", home, "--with-colons", "--list-keys")
    with kept.output:
        return not code and found == [len(keys)] and set(keys) <= _fingerprints(_utf8(kept))


def _fingerprints(listing: str) -> set[str]:
    return {line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")}


def _utf8(answer: Completed) -> str:
    return answer.output.read().decode("utf-8", "replace")


def _said(answer: Completed) -> str:
    return reason(answer.said) or f"it ended with {answer.code}"


def _verdict(answer: Completed, status: list[tuple[str, str]], trusted: Trust) -> Verdict:
    words = [word for word, _ in status]
    values = dict(reversed(status))
    for word, sentence in _NOT_GOOD.items():
        if word in values:
            return Bad(sentence.format(who=_who(values[word])))
    if "ERRSIG" in values:
        key = values["ERRSIG"].split(" ", 1)[0]
        if "NO_PUBKEY" in values:
            return Bad(f"it is signed with GPG key {key}, which is not in {trusted.keys}")
        return Unchecked(f"gpg cannot check signatures by GPG key {key}: {_said(answer)}")
    if words.count("GOODSIG") > 1:
        return Bad("it has more than one signature")
    if not _UNREADABLE.isdisjoint(words):
        return Bad("its signature is none that gpg can read")
    if answer.code or "GOODSIG" not in values or words.count("VALIDSIG") != 1:
        return Unchecked(f"gpg has given no verdict: {_said(answer)}")
    signer = values["GOODSIG"].partition(" ")[2]
    return GoodSignature(signer, f"GPG {values['VALIDSIG'].split(' ')[-1]}")


def _who(values: str) -> str:
    key, _, name = values.partition(" ")
    return f"{name}, GPG key {key}"


def _status(text: str) -> list[tuple[str, str]]:
    lines = [line.removeprefix(_STATUS) for line in text.splitlines() if line.startswith(_STATUS)]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


_COMMIT: Final = BOUNDS._replace(limit=16 << 20)
"""What reading a commit may use, which has a length that its author has chosen."""

_KINDS: Final = {
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN PGP SIGNATURE-----": "gpg",
    b"-----BEGIN PGP MESSAGE-----": "gpg",
    b"-----BEGIN SIGNED MESSAGE-----": "x509",
}
_NAMES: Final = {"ssh": "an SSH signature", "gpg": "a GPG signature", "x509": "an X.509 signature"}
_HEADER: Final = re.compile(rb"^gpgsig(?:-sha256)? (.*\n(?: .*\n)*)", re.MULTILINE)


def verify(git: Git, commit: str, trusted: Trust) -> Verdict:
    """Whether `commit`, in the repository where `git` runs, was signed by a signer who is `trusted`, as of now.

    Only what the signature itself shows is bad. Where a program is missing, is killed, takes too long or finds no room,
    nothing is known of the commit.

    Raises:
        GitFailed: the repository is broken.
        Stopped: nothing is run any more.
    """
    if problem := trusted.problem():
        return Unchecked(problem)
    signed = _signed(_commit(git, commit))
    if isinstance(signed, Bad):
        return signed
    found = _KINDS.get(signed.signature.partition(b"\n")[0].strip(), "")
    if found != trusted.format:
        return Bad(
            f"it has {_NAMES.get(found, 'a signature of an unknown kind')}, and {_NAMES[trusted.format]} is required"
        )
    try:
        if trusted.format == "ssh":
            return _verify_ssh(git, commit, signed, trusted)
        return _verify_gpg(git, commit, trusted)
    except NoProgram as error:
        return Unchecked(f"{error}; install it")
    except Ended as error:
        return Unchecked(str(error))
    except OSError as error:
        return Unchecked(f"{error.filename or tempfile.gettempdir()}: {error.strerror}")


def _commit(git: Git, commit: str) -> bytes:
    answer = git.answer("cat-file", "commit", commit, bounds=_COMMIT)
    with answer.output:
        if answer.code:
            raise GitFailed(f"commit {commit} cannot be read: {reason(answer.said)}")
        return answer.output.read()


def _signed(content: bytes) -> Signed | Bad:
    header, blank, message = content.partition(b"\n\n")
    header += b"\n"
    found = list(_HEADER.finditer(header))
    if not found:
        return Bad("it is not signed")
    if len(found) > 1:
        return Bad("it has more than one signature")
    payload = header[: found[0].start()] + header[found[0].end() :] + blank[1:] + message
    return Signed(payload, found[0][1].replace(b"\n ", b"\n"))
