"""GPG signatures of commits, against a keyring that holds the named keys and no other (gpg(1), GnuPG's doc/DETAILS)."""

import tempfile
from pathlib import Path
from typing import Final

from reconciler.integrations.bounded_process import Answer
from reconciler.integrations.git_command import Git, reason
from reconciler.integrations.signature_trust import Bad, Good, Trust, Unchecked, Verdict

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


def verify(git: Git, commit: str, trusted: Trust) -> Verdict:
    """Whether `commit` has exactly one signature, which is good, by a key of the file.

    Raises:
        GitFailed: a program is missing or does not end.
        Stopped: nothing is run any more.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # private: 0700
        Path(home, "gpg.conf").write_text(_SETTINGS, encoding="utf-8")
        imported = git.program("gpg", "--homedir", home, "--status-fd", "1", "--import", "--", trusted.keys)
        with imported.output:
            read = _status(_text(imported))
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
        return not code and found == [len(keys)] and set(keys) <= _fingerprints(_text(kept))


def _fingerprints(listing: str) -> set[str]:
    return {line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")}


def _text(answer: Answer) -> str:
    return answer.output.read().decode("utf-8", "replace")


def _said(answer: Answer) -> str:
    return reason(answer.said) or f"it ended with {answer.code}"


def _verdict(answer: Answer, status: list[tuple[str, str]], trusted: Trust) -> Verdict:
    words = [word for word, _ in status]
    told = dict(reversed(status))
    for word, sentence in _NOT_GOOD.items():
        if word in told:
            return Bad(sentence.format(who=_who(told[word])))
    if "ERRSIG" in told:
        key = told["ERRSIG"].split(" ", 1)[0]
        if "NO_PUBKEY" in told:
            return Bad(f"it is signed with GPG key {key}, which is not in {trusted.keys}")
        return Unchecked(f"gpg cannot check signatures by GPG key {key}: {_said(answer)}")
    if words.count("GOODSIG") > 1:
        return Bad("it has more than one signature")
    if not _UNREADABLE.isdisjoint(words):
        return Bad("its signature is none that gpg can read")
    if answer.code or "GOODSIG" not in told or words.count("VALIDSIG") != 1:
        return Unchecked(f"gpg has given no verdict: {_said(answer)}")
    signer = told["GOODSIG"].partition(" ")[2]
    return Good(signer, f"GPG {told['VALIDSIG'].split(' ')[-1]}")


def _who(told: str) -> str:
    key, _, name = told.partition(" ")
    return f"{name}, GPG key {key}"


def _status(text: str) -> list[tuple[str, str]]:
    lines = [line.removeprefix(_STATUS) for line in text.splitlines() if line.startswith(_STATUS)]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
