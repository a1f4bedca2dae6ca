"""No message shows a person an error of the system as Python writes it, with its number in brackets."""

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from reconciler.model.printable import error_text

SOURCES = sorted(Path(reconciler.__file__).parent.rglob("*.py"))
OF_THE_SYSTEM = {"OSError", "PermissionError", "FileNotFoundError", "_PASSING", "Exception"}
"""What an `except` names where an error of the system may be caught."""


def _is_careful(node: ast.AST) -> bool:
    """Whether it is ``error.strerror or str(error)``: where the caller names the file itself."""
    return isinstance(node, ast.BoolOp) and isinstance(node.values[0], ast.Attribute)


def raw(tree: ast.AST) -> Iterator[int]:
    """The lines on which such an error becomes text with `str` or in an f-string."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        if OF_THE_SYSTEM.isdisjoint(one.id for one in ast.walk(handler.type) if isinstance(one, ast.Name)):
            continue
        nodes = [found for line in handler.body for found in ast.walk(line)]
        careful = {id(inner) for one in nodes if _is_careful(one) for inner in ast.walk(one)}
        for one in (found for found in nodes if id(found) not in careful):
            match one:
                case ast.FormattedValue(value=ast.Name(id=name)) if name == handler.name:
                    yield one.lineno
                case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name)]) if name == handler.name:
                    yield one.lineno


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: "/".join(one.parts[-2:]))
def test_no_handler_writes_an_error_as_python_does(source: Path) -> None:
    """What may be an error of the system is written by `error_text`."""
    assert list(raw(ast.parse(source.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "Input/output error", "/x/y"), "/x/y: Input/output error"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.EIO, "Input/output error", b"/x/y"), "/x/y: Input/output error"),
        (OSError("our own words"), "our own words"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), "there is no file /x"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "/x: No space left on device (free space there)"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/x"), "/x: Disk quota exceeded (free space there)"),
        (ValueError("a value"), "a value"),
    ],
)
def test_an_error_is_written_as_people_say_it(error: Exception, expected: str) -> None:
    """The file first, then the reason, then what helps; no number."""
    assert error_text(error) == expected
