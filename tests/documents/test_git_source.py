"""The ways to sign that docs/git-source.md tells lead to commits that are good."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.integrations import git_repository
from reconciler.integrations.git_repository import FETCH_SECONDS, SIZE_LIMIT
from reconciler.integrations.git_signatures import GoodSignature, trust, verify
from reconciler.watch.git_source import INTERVAL, LONGEST
from reconciler.watch.schedule import JITTER
from testing.git_repositories import Repository

DOCUMENT = (Path(__file__).parents[2] / "docs/git-source.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home directory with a short path, since gpg's agent listens at a socket there."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        yield Path(folder)


@pytest.mark.skipif(not all(map(shutil.which, ("git", "gpg", "ssh-keygen"))), reason="git, gpg or ssh is missing")
@pytest.mark.parametrize(("block", "keys"), [(BLOCKS[0], "ssh:allowed_signers"), (BLOCKS[1], "gpg:trusted-keys.asc")])
def test_the_commands_lead_to_a_good_commit(home: Path, block: str, keys: str) -> None:
    """Five lines each, typed as they stand."""
    assert len(block.splitlines()) == 5
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    for folder in (".ssh", ".gnupg"):
        (home / folder).mkdir(mode=0o700)
    who = "git config --global user.name Kim && git config --global user.email kim@example.com"
    commit = "git init -q repository && git -C repository commit -q --allow-empty -m Change; gpgconf --kill all"
    typed = f"set -e\n{who}\n{block}\n{commit}\n"
    subprocess.run(["bash", "-c", typed], cwd=home, env=environment, check=True, capture_output=True)

    kind, _, file = keys.partition(":")
    repository = Repository(home / "repository")
    assert isinstance(verify(repository.runner(), repository.head(), trust(f"{kind}:{home}/{file}")), GoodSignature)


def test_the_numbers_are_those_of_the_program() -> None:
    """A minute and a tenth of it, a quarter of an hour, and the limits."""
    assert (INTERVAL, JITTER, LONGEST, FETCH_SECONDS, SIZE_LIMIT) == (60, 0.1, 900, 300, 1 << 30)
    assert f"more than {git_repository.FILES:,} files or {git_repository.BYTES >> 20} MiB" in DOCUMENT
