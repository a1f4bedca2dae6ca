"""Files that decide what the next boot brings are named below the root directory, and nowhere else."""

import pytest

from reconciler.model.steps import require_relative


@pytest.mark.parametrize("path", ["", "/", "/etc/x", "..", "etc/../x", "./etc", "etc//x", "etc/", "etc/x\0"])
def test_a_path_that_may_lead_elsewhere_is_refused(path: str) -> None:
    """Our records are read by whoever can write to the state directory, so that they are checked."""
    with pytest.raises(ValueError, match="below the root directory"):
        require_relative(path)


def test_any_path_below_the_root_is_accepted() -> None:
    """Also one with dots in its names."""
    require_relative("etc/udev/rules.d/41-..ap.rules")
