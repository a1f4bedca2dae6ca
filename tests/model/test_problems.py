"""Problems are values."""

from reconciler.model.problems import Position, Problem, Severity, errors_of


def test_errors_are_what_stops_a_run() -> None:
    """Warnings are only told, and notes are counted."""
    error, warning, note = (Problem("x", severity, "Something.") for severity in Severity)

    assert errors_of([note, warning, error]) == [error]


def test_a_position_is_written_as_compilers_do() -> None:
    """File, line, column: editors jump there."""
    assert str(Position("guests.yaml", 3, 7)) == "guests.yaml:3:7"
