"""SSH signatures of commits (gitformat-signature(5), ssh-keygen(1) under ALLOWED SIGNERS and ``-Y``)."""

import re
import tempfile
from pathlib import Path
from typing import Final

from reconciler.integrations.git_command import Git
from reconciler.integrations.signature_trust import Bad, Good, Signed, Trust, Verdict

_GOOD: Final = re.compile(r'^Good "git" signature for (.+) with (\S+) key (\S+)$', re.MULTILINE)
_KEY: Final = re.compile(r"with (\S+) key (\S+)")


def verify(git: Git, commit: str, signed: Signed, trusted: Trust) -> Verdict:
    """Whether `commit` has a good signature by somebody whom the allowed signers name, now.

    Git checks ``valid-before`` against the time that the commit says it was made, which whoever has an old key can
    choose. So we ask again for today.

    Raises:
        GitFailed: a program is missing or does not end.
        Stopped: nothing is run any more.
    """
    settings = {"gpg.ssh.allowedSignersFile": trusted.keys, "gpg.minTrustLevel": "fully", "gpg.program": "false"}
    if trusted.revoked:
        settings["gpg.ssh.revocationFile"] = trusted.revoked
    answer = git.answer("verify-commit", "--raw", commit, settings=settings)
    answer.output.close()
    with tempfile.TemporaryDirectory() as folder:
        signature = Path(folder, "signature")
        signature.write_bytes(signed.signature)
        found = _GOOD.search(answer.said)
        if not answer.code and found:
            signer, kind, key = found.groups()
            if signer in _valid_today(git, signature, trusted)[0]:
                return Good(signer, f"{kind} {key}")
        return Bad(_why(git, signature, signed, trusted))


def _valid_today(git: Git, signature: Path, trusted: Trust) -> tuple[list[str], str]:
    """The signers who may use the key today, and what ssh-keygen said."""
    answer = git.program("ssh-keygen", "-Y", "find-principals", "-s", str(signature), "-f", trusted.keys)
    with answer.output:
        return answer.output.read().decode("utf-8", "replace").splitlines() if not answer.code else [], answer.said


def _why(git: Git, signature: Path, signed: Signed, trusted: Trust) -> str:
    novalidate = ("ssh-keygen", "-Y", "check-novalidate", "-n", "git", "-s", str(signature))
    plain = git.program(*novalidate, given=signed.payload)
    with plain.output:
        found = _KEY.search(plain.output.read().decode("utf-8", "replace"))
    if plain.code or not found:
        return "its signature does not fit: it was changed after it was signed, or signed for something else"
    key = " ".join(found.groups())
    signers, said = _valid_today(git, signature, trusted)
    if trusted.revoked and signers:
        # Git's answer was no and the signer is allowed, so it is the revocation if it is good without that.
        check = ("ssh-keygen", "-Y", "verify", "-n", "git", "-I", signers[0], "-f", trusted.keys, "-s", str(signature))
        again = git.program(*check, given=signed.payload)
        again.output.close()
        if not again.code:
            return f"it is signed with {key}, which is revoked in {trusted.revoked}"
    if "has expired" in said:
        return f"it is signed with {key}, which has expired in {trusted.keys}"
    if "not yet valid" in said:
        return f"it is signed with {key}, which is not yet valid in {trusted.keys}"
    return f"it is signed with {key}, which {trusted.keys} does not allow for git"
