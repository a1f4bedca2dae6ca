"""Problems are values."""

from reconciler.model.commands import DOCTOR, Here
from reconciler.model.problems import Place, Position, Problem, Severity, completed, errors_of, in_a_line


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


def test_a_problem_in_a_line_names_its_place_once() -> None:
    """What is about a whole file names it in the message; what has no place is the message alone."""
    problem = Problem("x", Severity.ERROR, "Something.")
    places = (Place(Position("guests.yaml", 3, 7)), Place(Position("other.yaml", 1, 1)))

    assert in_a_line(problem) == "Something."
    assert in_a_line(problem._replace(places=places)) == "guests.yaml:3:7: Something."
    assert in_a_line(problem._replace(places=(places[0]._replace(is_whole=True),))) == "Something."
