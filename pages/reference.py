"""Pages that are made from the program: the commands from their own help, the manifests from their schemas.

They are in the repository, so that they can be read there; a test compares them with what is made here.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from reconciler.cli.explain_command import in_a_line
from reconciler.cli.main import SECTIONS, cli
from reconciler.manifests.schema import SCHEMA_FILES, schema_file_text
from reconciler.model.commands import ENFORCED, REFUSED

_HEAD: Final = "<!-- Made by './run docs reference' from the program itself. -->\n"

_SHARED: Final = frozenset(
    {"file", "host_name", "sysfs", "simulate_file", "state_dir", "run_dir", ENFORCED[2:], REFUSED[2:]}
)


def commands_page() -> str:
    """Every command with its options, by heading of ``reconcile --help``."""
    lines = [
        _HEAD,
        "# Commands",
        "",
        "What `reconcile COMMAND --help` says, on one page. What the exit codes mean is in the [README](../README.md).",
        "",
    ]
    top = click.Context(cli, info_name="reconcile")
    lines += _shared(top)
    for heading, section in SECTIONS.items():
        if not heading:
            continue  # what the program itself starts
        lines += [f"## {heading}", ""]
        for name in section:
            found = cli.get_command(top, name)
            assert found is not None
            lines += _command(found, click.Context(found, parent=top, info_name=name))
    return "\n".join(lines).rstrip() + "\n"


def _command(found: click.Command, context: click.Context) -> Iterator[str]:
    yield from (f"### {context.command_path}", "")
    pieces = " ".join(found.collect_usage_pieces(context))
    yield from ("```text", f"{context.command_path} {pieces}".rstrip(), "```", "")
    yield from _paragraphs(found.help or "")
    params = [one for one in found.get_params(context) if "--help" not in one.opts and not _is_hidden(one)]
    shared = [one for one in params if one.name in _SHARED]
    yield from _table([one for one in params if one not in shared], context)
    if len(shared) == 1:
        yield from _table(shared, context)
    elif shared:
        names = ", ".join(f"`{max(one.opts, key=len)}`" for one in shared)
        yield from (f"And of the [shared options](#shared-options) {names}.", "")
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from _command(inner, click.Context(inner, parent=context, info_name=name))


def _is_hidden(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.hidden


def _table(params: Sequence[click.Parameter], context: click.Context) -> Iterator[str]:
    records = [one.get_help_record(context) for one in params]
    rows = [(names.replace("|", ", "), text) for names, text in filter(None, records) if text]
    if rows:
        yield from ("| option | meaning |", "|---|---|")
        yield from (f"| `{names}` | {_cell(text)} |" for names, text in rows)
        yield ""


def _shared(top: click.Context) -> Iterator[str]:
    """The options that most commands have, once."""
    plan = cli.get_command(top, "plan")
    assert plan is not None
    context = click.Context(plan, parent=top, info_name="plan")
    yield from (
        "## Shared options",
        "",
        "They say which manifests and which host; each command lists those that it has.",
        "",
    )
    yield from _table([one for one in plan.get_params(context) if one.name in _SHARED], context)


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a help text; those that click is told not to wrap are shown as they are."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield from ("```text", paragraph.removeprefix("\b").strip("\n"), "```", "")
        else:
            yield from (_prose(" ".join(paragraph.split())), "")


def _prose(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


def manifests_page() -> str:
    """Every field of every kind of document, as its schema describes it."""
    lines = [
        _HEAD,
        "# Manifests",
        "",
        "Every field of every kind of document, from the JSON Schemas that editors read, too (`reconcile schema`).",
        "What is wrong in a manifest is reported with its place and an id; [problems.md](problems.md) explains each.",
        "",
    ]
    for name in SCHEMA_FILES.values():
        schema: Mapping[str, Any] = json.loads(schema_file_text(name))
        lines += [f"## {schema['title']}", "", schema["description"], ""]
        lines += ["| field | form | meaning |", "|---|---|---|"]
        lines += [_row(*one) for one in _fields(schema, schema, "")]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _fields(
    schema: Mapping[str, Any], part: Mapping[str, Any], path: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """The path, the schema and whether it must be there, of each field below `part`."""
    required = part.get("required", ())
    for name, found in part.get("properties", {}).items():
        if not isinstance(found, dict):
            continue
        one, at = _resolved(schema, found), f"{path}{name}"
        yield at, one, name in required
        yield from _fields(schema, one, f"{at}.")
        if isinstance(items := one.get("items"), dict):
            yield from _fields(schema, _resolved(schema, items), f"{at}[].")


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """`part` with what it refers to; what it says itself goes first."""
    if "$ref" not in part:
        return part
    name = part["$ref"].rpartition("/")[2]
    return {**_resolved(schema, schema["$defs"][name]), **{key: one for key, one in part.items() if key != "$ref"}}


def _row(path: str, part: Mapping[str, Any], must_be_there: bool) -> str:
    notes = []
    if must_be_there:
        notes.append("Must be there.")
    if "default" in part:
        notes.append(f"Left out: `{_value(part['default'])}`.")
    if examples := part.get("examples"):
        notes.append(f"For example {' or '.join(f'`{_value(one)}`' for one in examples)}.")
    text = _cell(part.get("description", part.get("title", "")))
    meaning = " ".join((text if text.endswith(".") else f"{text}.", *notes))
    return f"| `{path}` | {_form(part)} | {meaning} |"


def _form(part: Mapping[str, Any]) -> str:
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{one}`" for one in part["enum"])
    if "anyOf" in part and "type" not in part:
        return " or ".join(dict.fromkeys(_form(one) for one in part["anyOf"]))
    words = {"array": "list", "object": "mapping", "string": "text", "integer": "number", "boolean": "true or false"}
    return words.get(part.get("type", ""), "")


def _value(value: object) -> str:
    """`value` as a manifest has it, on one line."""
    return in_a_line(value)
