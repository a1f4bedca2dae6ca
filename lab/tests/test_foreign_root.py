from pathlib import Path

import pytest

from lab.foreign_root import ProgramFailed, merge_into_usr, run_logged


def test_a_directory_beside_usr_moves_into_it(tmp_path: Path) -> None:
    """Older packages ship /bin; what /usr/bin has already stays."""
    for name, text in (("bin/sh", "old"), ("bin/only", "1"), ("usr/bin/sh", "new"), ("bin/sub/x", "2")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "usr/bin/sub").mkdir()

    merge_into_usr(tmp_path, "bin")

    assert (tmp_path / "bin").readlink() == Path("usr/bin")
    assert (tmp_path / "bin/sh").read_text(encoding="utf-8") == "new"
    assert (tmp_path / "bin/only").read_text(encoding="utf-8") == "1"
    assert (tmp_path / "bin/sub/x").read_text(encoding="utf-8") == "2"


def test_merging_twice_changes_nothing(tmp_path: Path) -> None:
    """Newer packages ship the link."""
    (tmp_path / "usr/lib").mkdir(parents=True)
    merge_into_usr(tmp_path, "lib")
    merge_into_usr(tmp_path, "lib")
    merge_into_usr(tmp_path, "lib64")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["lib", "usr"]


def test_a_failure_names_its_log(tmp_path: Path) -> None:
    """Where the program said what went wrong."""
    log = tmp_path / "setup.log"

    with pytest.raises(ProgramFailed, match=r"sh failed, see .*setup\.log"):
        run_logged(["sh", "-c", "echo because >&2; exit 1"], log)

    assert log.read_text(encoding="utf-8") == "because\n"
