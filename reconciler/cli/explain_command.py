"""``reconcile explain``, ``schema`` and ``completion``: what people, editors and shells want to know of us."""

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import get_completion_class

from reconciler.cli.command_lines import line_of
from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import result
from reconciler.cli.tree import Refused, command, completes
from reconciler.manifests.fields import Field, NoSuchField, fields_of, find_field
from reconciler.manifests.schema import schema_file_text
from reconciler.model.printable import lines_text
from reconciler.model.similar import nearest

if TYPE_CHECKING:
    from reconciler.cli.problem_pages import Explanation

KINDS: Final = ("host", "guest", "machine", "simulated-host", "plan")
"""The kinds of document that have a schema."""

_WIDTH: Final = 80
_EXPLAIN: Final = "reconcile explain"


@command("explain")
@click.argument("field", required=False, shell_complete=completes("fields"))
def explain_command(field: str | None) -> Exit:
    """Show what a field of a manifest means, an id or a state; without FIELD list the kinds of document.

    FIELD is a kind with the names of the fields below it, each after a dot; the id in the brackets of an error,
    a warning, or a finding of the doctor; or a state that 'reconcile status' shows, such as pending.

    \b
    For example:
      reconcile explain guest
      reconcile explain guest.spec.domains
      reconcile explain host.spec.keep.adapters
      reconcile explain leading-zero
    """  # noqa: D301 - click reads the character
    if field is not None and (what := _on_a_host(field)):
        line = line_of(("status", field))
        raise Refused(f"{field} is a {what}; explain takes a field, an id or a state", f"{line}    # who has it")
    kinds = read_kinds()
    if field is None:
        result(lines_text(_kinds_lines(kinds)))
        return Exit.DONE
    try:
        found = find_field(kinds, field)
    except NoSuchField as error:
        result(lines_text(_lines_of_id(field, error, kinds)))
        return Exit.DONE
    result(lines_text(field_lines(found)))
    return Exit.DONE


def _lines_of_id(word: str, error: NoSuchField, kinds: Iterable[Field]) -> Iterator[str]:
    """What the id in `word` means, which is no field as `error` says.

    Raises:
        click.UsageError: it is no id either; it says what to run.
    """
    from reconciler.cli.problem_pages import explanation_lines, explanations, id_in

    known, wanted = [*explanations()], id_in(word)
    found = [one for one in known if one.id == wanted]
    if not found:
        is_id = not (error.near or error.parent)
        near = (_described(wanted, known) or nearest(wanted, (one.id for one in known))) if is_id else ""
        if near:
            raise click.UsageError(f"no problem has the id '{wanted}'. Did you mean: {_EXPLAIN} {near}")
        raise click.UsageError(_instead(error, kinds))
    for number, one in enumerate(found):
        yield from [""] * bool(number)
        yield from explanation_lines(one, _WIDTH)


def _on_a_host(word: str) -> str:
    """Whether `word` is a ``queue`` or a ``card``; empty where it is neither."""
    forms = ((r"(?ai)[0-9a-f]{2}\.00[0-9a-f]{2}", "queue"), (r"(?ai)card[0-9a-f]{1,2}", "card"))
    return next((what for form, what in forms if re.fullmatch(form, word)), "")


def _described(wanted: str, known: "Sequence[Explanation]") -> str:
    """The id of what is `known` whose id and text have each word of `wanted`; empty where several do, or none does."""
    words = [re.escape(word.removesuffix("s")) for word in wanted.split("-")]
    found = {one.id for one in known if all(re.search(rf"(?i)\b{word}", f"{one.id} {one.text}") for word in words)}
    return found.pop() if len(found) == 1 and all(words) else ""


def read_kinds(names: Iterable[str] = KINDS) -> tuple[Field, ...]:
    """The kinds of document called `names`, each with its fields."""
    return tuple(fields_of(kind, json.loads(schema_file_text(f"{kind}.schema.json"))) for kind in names)


def _instead(error: NoSuchField, kinds: Iterable[Field]) -> str:
    """What is wrong, and what to run."""
    above = error.parent
    what = f"{above.name} has no field '{error.name}'" if above else f"no kind of document is called '{error.name}'"
    if error.near:
        more = f"Fields like it: {', '.join(error.near)}. " if error.near[1:] else ""
        return f"{what}. {more}Did you mean: {_EXPLAIN} {error.near[0]}"
    names = ", ".join(one.path[-1] for one in (above.fields if above else kinds))
    there = f"there are {names}" if names else "it has none"
    return f"{what}; {there}. Run: {_EXPLAIN}{f' {above.name}' if above else ''}"


def _kinds_lines(kinds: Iterable[Field]) -> Iterator[str]:
    for kind in kinds:
        yield kind.name
        yield from _wrapped(kind.texts, "  ")
    yield ""
    yield f"The fields of one: {_EXPLAIN} guest"
    yield f"What an id such as error[leading-zero] means: {_EXPLAIN} leading-zero"


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
    for one in filter(_has_own_lines, field.examples):
        yield from ("", "Example")
        yield from (f"  {line}" for line in yaml_lines(one))


def _nature(field: Field) -> str:
    return f"{field.type} ({field.presence})" if field.presence else field.type


def _facts(field: Field) -> Iterator[str]:
    short = tuple(one for one in field.examples if not _has_own_lines(one))
    for number, (name, text) in enumerate(field_facts(field._replace(examples=short))):
        yield from ([] if number else [""])
        yield f"  {name:<9}{text}"


def field_facts(field: Field) -> Iterator[tuple[str, str]]:
    """What is known of `field` besides its texts: a word each for what it is, and what it says."""
    if field.default:
        yield "Default", field.default
    yield from (("Limit", one) for one in field.limits)
    yield from (("Form", one) for one in field.forms)
    yield from (("Example", in_a_line(one)) for one in field.examples if not is_document(one))


def _tree(field: Field) -> Iterator[str]:
    every = [one for one in field.every() if one is not field]
    names = [f"{'  ' * (len(one.path) - len(field.path))}{one.path[-1]}" for one in every]
    width = max(map(len, names)) + 2
    for name, one in zip(names, every, strict=True):
        first, *more = textwrap.wrap(_nature(one), _WIDTH - width, break_on_hyphens=False)
        yield f"{name:<{width}}{first}"
        yield from (f"{'':<{width + 2}}{line}" for line in more)
        if len(one.path) == len(field.path) + 1:
            yield from _wrapped([_first_sentence(one)], "      ")


def _first_sentence(field: Field) -> str:
    """The beginning of what is said of `field`; all of it is there when the field itself is asked for."""
    return re.split(r"(?<=\.) ", field.texts[0], maxsplit=1)[0] if field.texts else ""


def _last(field: Field) -> Field:
    """A field in it that is worth a look: the last of those that are deepest below its last one."""
    return _last(field.fields[-1]) if field.fields else field


def yaml_lines(example: Any) -> list[str]:
    """An example, such as a whole document, as it is written in a file."""
    return _yaml(example, flow=None).splitlines()


_HEX: Final = re.compile(r"0x[0-9a-f]{1,2}")
_QUEUE: Final = re.compile(r"[0-9a-f]{2}\.[0-9a-f]{4}")


def _yaml(example: Any, *, flow: bool | None) -> str:
    """`example` as YAML of one line where `flow` is true; ids without quotes, as people write them."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes ids in hex as numbers, which they are."""

    def text(dumper: Dumper, value: str) -> Any:
        tag = "int" if _HEX.fullmatch(value) else "str"
        # A queue is always quoted, also where only some programs would take it for a number.
        return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", value, '"' if _QUEUE.fullmatch(value) else None)

    Dumper.add_representer(str, text)
    width = 1 << 30 if flow else _WIDTH
    return str(yaml.dump(example, Dumper=Dumper, sort_keys=False, default_flow_style=flow, width=width))


def is_document(example: Any) -> bool:
    """Whether `example` is a whole document, not a value."""
    return isinstance(example, dict) and "apiVersion" in example


def _has_own_lines(example: Any) -> bool:
    """Whether `example` is a document, or too long for one line."""
    is_mapping = isinstance(example, dict) and len(example) > 1
    return is_mapping or len(in_a_line(example)) > _WIDTH - len("  Example  ")


def in_a_line(example: Any) -> str:
    """A value on one line, as in a document."""
    return example if isinstance(example, str) else _yaml([example], flow=True).strip()[1:-1]


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
