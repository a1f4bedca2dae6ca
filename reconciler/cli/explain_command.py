"""``reconcile explain``, ``schema`` and ``completion``: what people, editors and shells want to know of us."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
from click.shell_completion import get_completion_class

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import result
from reconciler.cli.tree import command, completes
from reconciler.manifests.fields import Field, NoSuchField, fields_of, find_field
from reconciler.manifests.schema import schema_file_text
from reconciler.model.printable import lines_text

KINDS: Final = ("host", "guest", "machine", "simulated-host", "plan")
"""The kinds of document that have a schema."""

_WIDTH: Final = 80
_EXPLAIN: Final = "reconcile explain"


@command("explain")
@click.argument("field", required=False, shell_complete=completes("fields"))
def explain_command(field: str | None) -> Exit:
    """Show what a field of a manifest means; without FIELD list the kinds of document.

    FIELD is a kind with the names of the fields below it, each after a dot.

    \b
    For example:
      reconcile explain guest
      reconcile explain guest.spec.domains
      reconcile explain host.spec.keep.adapters
    """  # noqa: D301 - click reads the character
    kinds = read_kinds()
    if field is None:
        result(lines_text(_kinds_lines(kinds)))
        return Exit.DONE
    try:
        found = find_field(kinds, field)
    except NoSuchField as error:
        raise click.UsageError(_instead(error, kinds)) from None
    result(lines_text(field_lines(found)))
    return Exit.DONE


def read_kinds(names: Iterable[str] = KINDS) -> tuple[Field, ...]:
    """The kinds of document called `names`, each with its fields."""
    return tuple(fields_of(kind, json.loads(schema_file_text(f"{kind}.schema.json"))) for kind in names)


def _instead(error: NoSuchField, kinds: Iterable[Field]) -> str:
    """What is wrong, and what to run."""
    above = error.parent
    what = f"{above.name} has no field '{error.name}'" if above else f"no kind of document is called '{error.name}'"
    if error.near:
        more = f" (or {', '.join(error.near[1:])})" if error.near[1:] else ""
        return f"{what}. Did you mean: {_EXPLAIN} {error.near[0]}{more}"
    names = ", ".join(one.path[-1] for one in (above.fields if above else kinds))
    there = f"there are {names}" if names else "it has none"
    return f"{what}; {there}. Run: {_EXPLAIN}{f' {above.name}' if above else ''}"


def _kinds_lines(kinds: Iterable[Field]) -> Iterator[str]:
    for kind in kinds:
        yield kind.name
        yield from _wrapped(kind.texts, "  ")
    yield ""
    yield f"The fields of one: {_EXPLAIN} guest"


def field_lines(field: Field) -> Iterator[str]:
    """All that is known of `field`, for people, at most 80 columns wide but for names and examples."""
    yield f"{field.name}: {_nature(field)}"
    for text in field.texts:
        yield ""
        yield from _wrapped([text], "  ")
    yield from _facts(field)
    if field.fields:
        yield from ("", "Fields")
        yield from _tree(field)
        yield from ("", f"What one of them means: {_EXPLAIN} {_last(field).name}")
    yield from _whole_examples(field)


def _nature(field: Field) -> str:
    return f"{field.type} ({field.presence})" if field.presence else field.type


def _facts(field: Field) -> Iterator[str]:
    for number, (name, text) in enumerate(field_facts(field)):
        yield from ([] if number else [""])
        yield f"  {name:<9}{text}"


def field_facts(field: Field) -> Iterator[tuple[str, str]]:
    """What is known of `field` besides its texts: a word each for what it is, and what it says."""
    if field.default:
        yield "Default", field.default
    yield from (("Limit", one) for one in field.limits)
    yield from (("Form", one) for one in field.forms)
    yield from (("Example", _flow(one)) for one in field.examples if not is_document(one))


def _tree(field: Field) -> Iterator[str]:
    every = [one for one in field.every() if one is not field]
    names = [f"{'  ' * (len(one.path) - len(field.path))}{one.path[-1]}" for one in every]
    width = max(map(len, names)) + 2
    for name, one in zip(names, every, strict=True):
        yield f"{name:<{width}}{_nature(one)}"


def _last(field: Field) -> Field:
    """A field in it that is worth a look: the last of those that are deepest below its last one."""
    return _last(field.fields[-1]) if field.fields else field


def _whole_examples(field: Field) -> Iterator[str]:
    for one in filter(is_document, field.examples):
        yield from ("", "Example")
        yield from (f"  {line}" for line in yaml_lines(one))


def yaml_lines(document: Any) -> list[str]:
    """An example of a document as it is written in a file."""
    import yaml

    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=_WIDTH).splitlines()


def is_document(example: Any) -> bool:
    """Whether `example` is a whole document, not a value."""
    return isinstance(example, dict) and "apiVersion" in example


def _flow(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example)


def _wrapped(texts: Iterable[str], indent: str) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


@command("schema")
@click.argument("kind", type=click.Choice(KINDS), required=False)
def schema_command(kind: str | None) -> Exit:
    """Print the JSON Schema of a kind of document; without KIND list the kinds."""
    result(schema_file_text(f"{kind}.schema.json") if kind else "".join(f"{one}\n" for one in KINDS))
    return Exit.DONE


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, /, shell: str) -> Exit:
    """Print the completion script for SHELL.

    \b
    For example:
      source <(reconcile completion bash)
    """  # noqa: D301 - click reads the character
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "reconcile", "_RECONCILE_COMPLETE").source())
    return Exit.DONE
