"""When a guest system has to be made anew."""

from pathlib import Path

import pytest

from kernel.lab import guest_system


def test_an_image_of_other_packages_is_not_current(tmp_path: Path) -> None:
    """So that `setup` after an update of the clone brings what its scenarios need."""
    image = tmp_path / "trixie.ext4"
    assert not guest_system.is_current(image)
    image.touch()
    assert not guest_system.is_current(image)

    image.with_suffix(".packages").write_text("bash", encoding="utf-8")

    assert not guest_system.is_current(image)


def test_an_image_of_the_wanted_packages_is_current(tmp_path: Path) -> None:
    """It is kept."""
    image = tmp_path / "trixie.ext4"
    image.touch()
    guest_system.note_packages(image)

    assert guest_system.is_current(image)


@pytest.mark.parametrize("name", ["systemd", "udev", "mdevctl", "bsdutils"])
def test_a_boot_as_on_any_host_has_what_it_needs(name: str) -> None:
    """Of which bsdutils has logger, into which mdevctl's udev rule pipes."""
    assert name in guest_system.PACKAGES
