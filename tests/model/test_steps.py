"""What a plan is made of."""

from reconciler.model.steps import FileChange


def test_a_change_of_a_file_can_be_taken_back() -> None:
    """Also that of a new file, which goes again; it stays the same holder's."""
    made = FileChange("etc/mdevctl.d/matrix/a", None, b"new", "web")

    assert made.reversed() == FileChange("etc/mdevctl.d/matrix/a", b"new", None, "web")
    assert made.reversed().reversed() == made
