"""Every error of ours says whose move is next, and that decides the exit code."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import reconciler
from reconciler.cli.exit_codes import EXIT_CODES, Exit, exit_code_of
from reconciler.cli.failures import code_of
from reconciler.cli.options import Said
from reconciler.model.commands import PLAN, Advised
from reconciler.model.errors import BugError, BusyError, HostError, InputError, ReconcileError, StateError

KINDS = (InputError, BusyError, HostError, StateError, BugError)
BASES = (ReconcileError, Advised)
"""Classes of no kind, which others derive from."""

ENDS_BY_TIME = "TimeIsUp"
"""No error: like KeyboardInterrupt it passes through every ``except Exception``, and its two callers catch it."""

_ROOT = Path(reconciler.__file__).parent


@cache
def exceptions() -> tuple[type[BaseException], ...]:
    """Every exception class that a module of ours defines."""
    names = [found.name for found in pkgutil.walk_packages(reconciler.__path__, "reconciler.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return tuple(
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.__name__
    )


def errors() -> tuple[type[BaseException], ...]:
    """Those that may leave their module as an error of ours; click's own kinds end a command without an error."""
    public = (one for one in exceptions() if not one.__name__.startswith("_") and one.__name__ != ENDS_BY_TIME)
    return tuple(one for one in public if not issubclass(one, (click.Abort, click.ClickException)))


@pytest.mark.parametrize("error", errors(), ids=lambda one: one.__name__)
def test_an_error_is_of_exactly_one_kind(error: type[BaseException]) -> None:
    """Each class derives from one of the five kinds, and from no other one."""
    kinds = [kind for kind in KINDS if issubclass(error, kind)]

    assert len(kinds) == (0 if error in BASES else 1)
    assert issubclass(error, ReconcileError)


@pytest.mark.parametrize("error", errors(), ids=lambda one: one.__name__)
def test_an_error_is_documented(error: type[BaseException]) -> None:
    """Each class says itself, in a sentence, what has happened."""
    documented = vars(error)["__doc__"]

    assert documented
    assert documented.splitlines()[0].endswith((".", "..."))


@pytest.mark.parametrize("error", [one for one in errors() if one not in BASES], ids=lambda one: one.__name__)
def test_an_error_has_an_exit_code(error: type[ReconcileError]) -> None:
    """Each class maps to an exit code that stands for a failure, and narrows that of its kind at most."""
    kind = next(kind for kind in KINDS if issubclass(error, kind))

    assert exit_code_of(error) is not Exit.DONE
    assert EXIT_CODES[kind] in (Exit.FAILURE, exit_code_of(error))


def test_a_private_exception_stays_in_its_module() -> None:
    """What is no error of ours is the control flow of one module, and no other module names it."""
    private = [one for one in exceptions() if one.__name__.startswith("_")]
    users = {one.__qualname__: set(_modules_that_name(one.__name__)) for one in private}

    assert users == {one.__qualname__: {_file_of(one)} for one in private}


def test_the_end_of_a_time_limit_is_caught_where_it_is_set() -> None:
    """The one class that is neither names itself in its module and where the limit is set."""
    assert set(_modules_that_name(ENDS_BY_TIME)) == {
        "cli/time_limit.py",
        "cli/boot_command.py",
        "cli/hook_command.py",
        "cli/publishing.py",
        "cli/completing.py",
    }


def _modules_that_name(name: str) -> Iterator[str]:
    for file in _ROOT.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if name not in text:
            continue
        tree = ast.parse(text)
        named = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
        if name in named | {one.name for one in ast.walk(tree) if isinstance(one, ast.ClassDef)}:
            yield file.relative_to(_ROOT).as_posix()


def _file_of(error: type[BaseException]) -> str:
    return Path(inspect.getfile(error)).relative_to(_ROOT).as_posix()


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("no such thing"), Exit.FAILURE, "error: no such thing\n"),
        (BusyError("another run"), Exit.BUSY, "busy: another run\n"),
        (HostError("it refused"), Exit.FAILURE, "error: it refused\n"),
        (StateError("damaged"), Exit.FAILURE, "error: damaged\n"),
    ],
)
def test_a_new_error_needs_only_its_kind(
    error: ReconcileError, code: Exit, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind has its exit code and its heading."""
    assert code_of(error, Said()) is code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("error", [BugError("of ours"), KeyError("of Python's")], ids=["ours", "foreign"])
def test_everything_else_is_a_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """A bug is reported as one, whether we have named it or not."""
    assert code_of(error, Said()) is Exit.FAILURE
    assert "this is a bug in reconcile, please report it" in capsys.readouterr().err


def test_the_next_command_comes_with_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A command of ours and one of the shell are both shown, whatever the class is."""

    class Odd(Advised, HostError):
        remedy = "mv a b"

    code_of(Odd("odd", PLAN), Said())

    assert capsys.readouterr().err == "error: odd\n  next: mv a b\n  next: reconcile plan\n"
