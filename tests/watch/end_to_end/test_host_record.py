"""``watch --observed-file``: after each cycle the newest record of the host."""

import json
import stat
from pathlib import Path

import pytest

from reconciler.cli.main import run
from testing.git_repositories import Repository
from testing.loop_processes import following, guest


def planned(record: Path, manifests: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The plan of `manifests` by `record`."""
    capsys.readouterr()
    assert run(["plan", "-f", str(manifests), "--observed", str(record)]) == 0
    return capsys.readouterr().out


def test_each_cycle_leaves_the_newest_record(
    repository: Repository, simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there when the client of a trigger has its answer, and gives the plan that the host itself gives."""
    record = tmp_path / "lpar7.json"
    with following(repository, simulated, "--observed-file", str(record)) as loop:
        loop.turn()
        assert "Nothing to do" in planned(record, repository.path, capsys)
        first = json.loads(record.read_text(encoding="ascii"))
        repository.commit({"payments.yaml": guest(adapters="5")})
        assert "Plan: 1 to change" in planned(record, repository.path, capsys)
        loop.turn()
        assert "Nothing to do" in planned(record, repository.path, capsys)
        assert loop.end() == 0
    second = json.loads(record.read_text(encoding="ascii"))

    assert 0o640 == stat.S_IMODE(record.stat().st_mode)
    assert first["applied"]["generation"] + 1 == second["applied"]["generation"]
    assert first["recorded"] < second["recorded"]
    assert ["--simulate", str(simulated)] == second["options"]
    assert [] == second["unread"]


def test_a_record_that_cannot_be_written_ends_nothing(repository: Repository, simulated: Path, tmp_path: Path) -> None:
    """It is logged once."""
    folder = tmp_path / "records"
    folder.mkdir()
    record = folder / "lpar7.json"
    with following(repository, simulated, "--observed-file", str(record)) as loop:
        loop.turn()
        record.unlink()
        folder.rmdir()
        loop.turn()
        loop.until_logged("a file cannot be written")
        folder.mkdir()
        loop.turn()
        loop.until_logged("a file can be written again")
        assert loop.end() == 0

    assert record.exists()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing/lpar7.json", "is not there"),
        ("lpar7.yaml", "would be taken for a manifest"),
        ("link", "it is no regular file"),
    ],
)
def test_a_file_that_cannot_be_a_record_is_refused(
    file: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the loop starts."""
    (tmp_path / "link").symlink_to("elsewhere")
    state = ("--state-dir", str(tmp_path / "state"))

    assert run(["watch", "-f", str(tmp_path), "--observed-file", str(tmp_path / file), *state]) == 64
    assert reason in capsys.readouterr().err
