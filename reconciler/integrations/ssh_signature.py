"""SSH signatures of commits (gitformat-signature(5), ssh-keygen(1) under ALLOWED SIGNERS and ``-Y``)."""

import base64
import re
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from reconciler.integrations.bounded_process import Answer
from reconciler.integrations.git_command import Ended, Git, reason
from reconciler.integrations.signature_trust import Bad, Good, Signed, Trust, Unchecked, Verdict

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


def verify(git: Git, commit: str, signed: Signed, trusted: Trust) -> Verdict:
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
            return Good(found[0], f"{found[1]} {found[2]}")
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

    def _ask(self, *words: str, given: bytes = b"") -> Answer:
        answer = self._git.program("ssh-keygen", "-Y", *words, "-s", str(self.signature), given=given)
        if answer.code not in _ANSWERS:
            answer.output.close()
            raise Ended(f"ssh-keygen ended with {answer.code}: {reason(answer.said) or 'without a reason'}")
        return answer


def _defect(git: Git, folder: Path, trusted: Trust) -> str:
    """Why ssh-keygen can find no signature good here, or cannot read a file of `trusted`; empty if it can."""
    if not _has_key(Path(trusted.keys).read_bytes()):
        return f"no line of {trusted.keys} has an SSH key; add one as ssh-keygen(1) says under ALLOWED SIGNERS"
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


def _text(answer: Answer) -> str:
    return answer.output.read().decode("utf-8", "replace")
