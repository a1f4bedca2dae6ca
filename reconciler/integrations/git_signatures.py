"""Who signed a commit: only a signature of the required format, by a key that the administrator has named, is good."""

import re
import tempfile
from typing import Final

from reconciler.integrations import gpg_signature, ssh_signature
from reconciler.integrations.git_command import BOUNDS, Ended, Git, GitFailed, NoProgram, reason
from reconciler.integrations.signature_trust import Bad, Signed, Trust, Unchecked, Verdict

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
            return ssh_signature.verify(git, commit, signed, trusted)
        return gpg_signature.verify(git, commit, trusted)
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
