"""Problems are values."""

from reconciler.model.commands import DOCTOR, Here
from reconciler.model.problems import Position, Problem, Severity, completed, errors_of


def test_errors_are_what_stops_a_run() -> None:
    """Warnings are only told, and notes are counted."""
    error, warning, note = (Problem("x", severity, "Something.") for severity in Severity)

    assert errors_of([note, warning, error]) == [error]


def test_a_position_is_written_as_compilers_do() -> None:
    """File, line, column: editors jump there."""
    assert str(Position("guests.yaml", 3, 7)) == "guests.yaml:3:7"


def test_the_help_of_a_problem_ends_with_its_command() -> None:
    """As it leads to the same host, and only once; without a command the problem stays as it is."""
    problem, here = Problem("x", Severity.ERROR, "Something.", help="Look."), Here(("--state-dir", "state"))
    with_command = problem._replace(advice=DOCTOR)

    assert completed(problem, here) == problem
    assert completed(with_command, here).help == "Look. Run: reconcile doctor --state-dir state"
    assert completed(with_command._replace(help=""), here).help == "Run: reconcile doctor --state-dir state"
    assert completed(completed(with_command, here), here) == completed(with_command, here)
