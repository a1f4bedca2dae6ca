"""GPG signatures of commits, against a keyring that holds the named keys and no other (gpg(1), GnuPG's doc/DETAILS)."""

import tempfile
from pathlib import Path
from typing import Final

from reconciler.integrations.git_command import Git
from reconciler.integrations.signature_trust import Bad, Good, Trust, Verdict

_STATUS: Final = "[GNUPG:] "

_SETTINGS: Final = """\
batch
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


def verify(git: Git, commit: str, trusted: Trust) -> Verdict:
    """Whether `commit` has exactly one signature, which is good, by a key of the file.

    Raises:
        GitFailed: a program is missing or does not end.
        Stopped: nothing is run any more.
    """
    with tempfile.TemporaryDirectory() as home:  # private: 0700
        Path(home, "gpg.conf").write_text(_SETTINGS, encoding="utf-8")
        imported = git.program("gpg", "--homedir", home, "--status-fd", "1", "--import", "--", trusted.keys)
        with imported.output:
            told = imported.output.read().decode("utf-8", "replace")
        if not any(word == "IMPORT_OK" for word, _ in _status(told)):
            return Bad(f"its signature cannot be checked: there is no GPG key in {trusted.keys}")
        answer = git.answer(
            "verify-commit", "--raw", commit, settings={"gpg.ssh.program": "false"}, environment={"GNUPGHOME": home}
        )
        answer.output.close()
    return _verdict(answer.code, _status(answer.said), trusted)


def _verdict(code: int, status: list[tuple[str, str]], trusted: Trust) -> Verdict:
    words = [word for word, _ in status]
    told = dict(reversed(status))
    for word, sentence in _NOT_GOOD.items():
        if word in told:
            return Bad(sentence.format(who=_who(told[word])))
    if "ERRSIG" in told:
        key = told["ERRSIG"].split(" ", 1)[0]
        if "NO_PUBKEY" in told:
            return Bad(f"it is signed with GPG key {key}, which is not in {trusted.keys}")
        return Bad(f"its signature by GPG key {key} cannot be checked")
    if code or words.count("GOODSIG") != 1 or words.count("VALIDSIG") != 1:
        return Bad("its signature is not good")
    signer = told["GOODSIG"].partition(" ")[2]
    return Good(signer, f"GPG {told['VALIDSIG'].split(' ')[-1]}")


def _who(told: str) -> str:
    key, _, name = told.partition(" ")
    return f"{name}, GPG key {key}"


def _status(text: str) -> list[tuple[str, str]]:
    lines = [line.removeprefix(_STATUS) for line in text.splitlines() if line.startswith(_STATUS)]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
