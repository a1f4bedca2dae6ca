"""Whose commits are taken, by real git, ssh-keygen and gpg."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.integrations.git_command import Git, GitFailed
from reconciler.integrations.git_signatures import Bad, GoodSignature, NoTrust, Trust, Unchecked, Verdict, trust, verify
from reconciler.kernel.processes import Processes
from testing.git_repositories import ENVIRONMENT, GpgKey, Repository, SshKey

pytestmark = [
    pytest.mark.skipif(not all(map(shutil.which, ("git", "gpg", "ssh-keygen"))), reason="git, gpg or ssh is missing"),
]

EARLY = "20200101T000000"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One without a commit."""
    return Repository(tmp_path / "repository")


@pytest.fixture
def keys() -> Iterator[Path]:
    """Where keys are made; the path is short, since gpg's agent listens at a socket there."""
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:
        yield Path(folder)


def ssh_trust(folder: Path, allowed: str, revoked: str = "") -> Trust:
    """Trust in the signers `allowed`."""
    (folder / "allowed").write_text(allowed, encoding="utf-8")
    if revoked:
        (folder / "revoked").write_text(revoked, encoding="utf-8")
    return trust(f"ssh:{folder}/allowed", str(folder / "revoked") if revoked else "")


def gpg_trust(folder: Path, *keys: GpgKey) -> Trust:
    """Trust in `keys`."""
    (folder / "trusted.asc").write_text("".join(key.exported() for key in keys), encoding="utf-8")
    return trust(f"gpg:{folder}/trusted.asc")


def judged(repository: Repository, trusted: Trust, commit: str = "") -> Verdict:
    """The verdict on `commit`, the newest if left out."""
    return verify(repository.runner(), commit or repository.head(), trusted)


def why(repository: Repository, trusted: Trust, commit: str = "") -> str:
    """Why the commit is refused."""
    verdict = judged(repository, trusted, commit)
    assert isinstance(verdict, Bad)
    return verdict.reason


def why_not_checked(repository: Repository, trusted: Trust) -> str:
    """Why nothing is known of the newest commit."""
    verdict = judged(repository, trusted)
    assert isinstance(verdict, Unchecked)
    return verdict.reason


def changed(repository: Repository) -> str:
    """A commit that differs from the newest in its message, with the same signature."""
    content = repository.git("cat-file", "commit", "HEAD")
    return repository.git(
        "hash-object", "-t", "commit", "-w", "--stdin", given=content.replace("Change", "Chance").encode() + b"\n"
    )


def test_an_ssh_signature_by_an_allowed_signer_is_good(repository: Repository, keys: Path) -> None:
    """It names the signer and the key."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    verdict = judged(
        repository, ssh_trust(keys, "# people\n" + SshKey(keys, "lee@example.com").allowed() + key.allowed())
    )
    assert isinstance(verdict, GoodSignature)
    assert verdict.signer == "kim@example.com"
    assert verdict.key.startswith("ED25519 SHA256:")


def test_an_unsigned_commit(repository: Repository, keys: Path) -> None:
    """Is refused in either format, even if its message looks like a signature."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    signature = repository.git("cat-file", "commit", "HEAD").partition("gpgsig")[2]
    repository.settings = []
    repository.commit(None, f"Change\n\ngpgsig{signature}")
    assert why(repository, ssh_trust(keys, key.allowed())) == "it is not signed"
    assert why(repository, Trust("gpg", str(keys / "allowed"))) == "it is not signed"


def test_a_foreign_ssh_key(repository: Repository, keys: Path) -> None:
    """The sentence names it."""
    SshKey(keys).signs(repository)
    repository.commit()
    sentence = why(repository, ssh_trust(keys, SshKey(keys, "lee@example.com").allowed()))
    assert sentence.startswith("it is signed with ED25519 SHA256:")
    assert sentence.endswith(f"which {keys}/allowed does not allow for git")


def test_an_ssh_key_for_another_purpose(repository: Repository, keys: Path) -> None:
    """A key that is allowed for files is not allowed for commits."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    assert "does not allow for git" in why(repository, ssh_trust(keys, key.allowed('namespaces="file"')))


def test_a_commit_that_was_changed_after_it_was_signed_by_ssh(repository: Repository, keys: Path) -> None:
    """The signature does not fit."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    assert "was changed after it was signed" in why(repository, ssh_trust(keys, key.allowed()), changed(repository))


def test_an_ssh_key_that_has_expired(repository: Repository, keys: Path) -> None:
    """Also where the commit says that it was made before: whoever has an old key can write any date."""
    key = SshKey(keys)
    key.signs(repository)
    trusted = ssh_trust(keys, key.allowed('namespaces="git",valid-before="20210101"'))
    repository.commit()
    assert why(repository, trusted).endswith(f"which has expired in {keys}/allowed")
    repository.environment = {"GIT_COMMITTER_DATE": "2020-06-01T00:00:00Z"}
    repository.commit()
    assert why(repository, trusted).endswith(f"which has expired in {keys}/allowed")


def test_an_ssh_key_that_is_not_valid_yet(repository: Repository, keys: Path) -> None:
    """It was written down in advance."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    trusted = ssh_trust(keys, key.allowed('valid-after="20990101"'))
    assert why(repository, trusted).endswith(f"which is not yet valid in {keys}/allowed")


def test_an_ssh_key_that_is_revoked(repository: Repository, keys: Path) -> None:
    """Though the allowed signers still name it; another one is good."""
    key, other = SshKey(keys), SshKey(keys, "lee@example.com")
    key.signs(repository)
    repository.commit()
    trusted = ssh_trust(keys, key.allowed() + other.allowed(), revoked=key.public + "\n")
    assert why(repository, trusted).endswith(f"which is revoked in {keys}/revoked")
    other.signs(repository)
    repository.commit()
    assert isinstance(judged(repository, trusted), GoodSignature)


def test_a_gpg_signature_by_a_trusted_key_is_good(repository: Repository, keys: Path) -> None:
    """It names the signer and the key; no daemon and no file are left."""
    key = GpgKey(keys / "kim")
    key.signs(repository)
    repository.commit()
    key.close()
    verdict = judged(repository, gpg_trust(keys, key))
    assert verdict == GoodSignature("Kim <kim@example.com>", f"GPG {key.fingerprint}")


def test_a_foreign_gpg_key(repository: Repository, keys: Path) -> None:
    """The administrator's own keyring does not count, only the file."""
    key, other = GpgKey(keys / "kim"), GpgKey(keys / "lee", "Lee <lee@example.com>")
    key.signs(repository)
    repository.commit()
    key.close()
    other.close()
    sentence = why(repository, gpg_trust(keys, other))
    assert sentence == f"it is signed with GPG key {key.fingerprint[-16:]}, which is not in {keys}/trusted.asc"


def test_a_commit_that_was_changed_after_it_was_signed_by_gpg(repository: Repository, keys: Path) -> None:
    """The signature does not fit."""
    key = GpgKey(keys / "kim")
    key.signs(repository)
    repository.commit()
    key.close()
    sentence = why(repository, gpg_trust(keys, key), changed(repository))
    assert "was changed after it was signed (Kim <kim@example.com>, GPG key" in sentence


def test_a_gpg_key_that_has_expired(repository: Repository, keys: Path) -> None:
    """Though the signature was made while it was valid: so it says."""
    key = GpgKey(keys / "kim", made=EARLY, expires="1y")
    key.signs(repository)
    repository.commit()
    key.close()
    assert why(repository, gpg_trust(keys, key)).startswith("it is signed with a key that has expired (Kim")


def test_a_gpg_signature_that_has_expired(repository: Repository, keys: Path) -> None:
    """By a key that is still good."""
    key = GpgKey(keys / "kim", made=EARLY)
    key.signs(repository, "--default-sig-expire", "1y")
    repository.commit()
    key.close()
    assert why(repository, gpg_trust(keys, key)).startswith("its signature has expired (Kim")


def test_a_gpg_key_that_is_revoked(repository: Repository, keys: Path) -> None:
    """As the exported key says."""
    key = GpgKey(keys / "kim")
    key.signs(repository)
    repository.commit()
    key.revoke()
    key.close()
    assert why(repository, gpg_trust(keys, key)).startswith("it is signed with a key that is revoked (Kim")


def test_the_format_is_pinned(repository: Repository, keys: Path) -> None:
    """A signature in another format is refused, whatever the administrator's settings would say of it."""
    ssh, gpg = SshKey(keys), GpgKey(keys / "kim")
    ssh.signs(repository)
    repository.commit()
    assert why(repository, gpg_trust(keys, gpg)) == "it has an SSH signature, and a GPG signature is required"
    gpg.signs(repository)
    repository.commit()
    gpg.close()
    assert why(repository, ssh_trust(keys, ssh.allowed())) == "it has a GPG signature, and an SSH signature is required"


def test_two_signatures_are_refused(repository: Repository, keys: Path) -> None:
    """What programs make of them differs."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    header, blank, message = repository.git("cat-file", "commit", "HEAD").partition("\n\n")
    signature = header[header.index("gpgsig") :]
    commit = repository.git(
        "hash-object", "-t", "commit", "-w", "--literally", "--stdin",
        given=f"{header}\n{signature}{blank}{message}\n".encode(),
    )  # fmt: skip
    assert why(repository, ssh_trust(keys, key.allowed()), commit) == "it has more than one signature"


def test_a_signature_of_no_known_kind(repository: Repository, keys: Path) -> None:
    """Is refused with what is required."""
    repository.commit()
    content = repository.git("cat-file", "commit", "HEAD").replace("\n\n", "\ngpgsig nonsense\n\n", 1)
    commit = repository.git("hash-object", "-t", "commit", "-w", "--stdin", given=content.encode() + b"\n")
    trusted = ssh_trust(keys, SshKey(keys).allowed())
    assert why(repository, trusted, commit) == "it has a signature of an unknown kind, and an SSH signature is required"


def test_files_that_others_could_have_written_are_not_trusted(repository: Repository, keys: Path) -> None:
    """Nor ones that are missing, or hold no key."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    trusted = ssh_trust(keys, key.allowed())
    (keys / "allowed").chmod(0o666)
    assert why_not_checked(repository, trusted).startswith(f"others than you can write to {keys}/allowed; ")
    (keys / "allowed").unlink()
    assert why_not_checked(repository, trusted).endswith(f"{keys}/allowed: No such file or directory")
    (keys / "allowed").mkdir()
    assert why_not_checked(repository, trusted).endswith(f"{keys}/allowed is no regular file; give a file with keys")
    missing = Trust("ssh", ssh_trust(repository.path, key.allowed()).keys, str(keys / "none"))
    assert why_not_checked(repository, missing).endswith(f"{keys}/none: No such file or directory")


def test_a_file_without_a_gpg_key(repository: Repository, keys: Path) -> None:
    """Trusts nobody."""
    key = GpgKey(keys / "kim")
    key.signs(repository)
    repository.commit()
    key.close()
    (keys / "empty").write_text("", encoding="ascii")
    assert why_not_checked(repository, Trust("gpg", str(keys / "empty"))).startswith(
        f"there is no GPG key in {keys}/empty"
    )


def test_a_program_that_is_missing(repository: Repository, keys: Path) -> None:
    """Is told; it is no reason to think that the repository is broken."""
    key = SshKey(keys)
    key.signs(repository)
    repository.commit()
    git = shutil.which("git")
    assert git
    (keys / "git").symlink_to(git)
    runner = Git(repository.path / ".git", Processes(), {**ENVIRONMENT, "PATH": str(keys)}, bare=True)
    verdict = verify(runner, repository.head(), ssh_trust(keys, key.allowed()))
    assert verdict == Unchecked("there is no program ssh-keygen on this machine; install it")


def test_a_commit_that_is_missing_is_a_broken_repository(repository: Repository, keys: Path) -> None:
    """No verdict is made of it."""
    with pytest.raises(GitFailed):
        judged(repository, ssh_trust(keys, SshKey(keys).allowed()), "1" * 40)


def test_what_the_option_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The format and a file."""
    monkeypatch.chdir(tmp_path)
    assert trust("ssh:keys") == Trust("ssh", f"{tmp_path}/keys")
    assert trust("ssh:/a", "b") == Trust("ssh", "/a", f"{tmp_path}/b")
    assert trust("gpg:/a:b") == Trust("gpg", "/a:b")


@pytest.mark.parametrize(("text", "revoked"), [("/a", ""), ("x509:/a", ""), ("ssh:", ""), ("", ""), ("gpg:/a", "/b")])
def test_what_the_option_cannot_mean(text: str, revoked: str) -> None:
    """It is said what it could."""
    with pytest.raises(NoTrust):
        trust(text, revoked)
