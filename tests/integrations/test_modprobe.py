"""Loading vfio_ap: the program that does so is somebody else's, and may say no."""

from pathlib import Path

import pytest

from reconciler.integrations.kernel_module import CannotLoad, load_vfio_ap


def modprobe(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a modprobe that does as `script` says, and no other."""
    program = directory / "modprobe"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


def test_the_module_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else."""
    modprobe(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/said')

    load_vfio_ap()

    assert (tmp_path / "said").read_text() == "vfio_ap\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'FATAL: Module vfio_ap not found' >&2; exit 1", "FATAL: Module vfio_ap"),
        ("exit 3", "ended with status 3"),
    ],
)
def test_a_refusal_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str) -> None:
    """In its own words, if it has any."""
    modprobe(tmp_path, monkeypatch, script)

    with pytest.raises(CannotLoad, match=told):
        load_vfio_ap()


def test_a_program_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotLoad, match="modprobe vfio_ap: "):
        load_vfio_ap()
