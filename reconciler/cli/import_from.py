"""``reconcile import --from KIND FILE``: manifests of what another program has written down."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import click
from click.core import ParameterSource

from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import HostOptions
from reconciler.cli.output import say
from reconciler.manifests.files import FILE_LIMIT, STDIN, FoundFile, content_of, too_large
from reconciler.manifests.yaml_stream import decoded
from reconciler.model.commands import VALIDATE, Here
from reconciler.model.problems import InvalidManifests, Problem
from reconciler.operations.importing import Said, Source, manifests_of

_OF_A_HOST = ("file", "sysfs", "simulate_file", "state_dir", "run_dir")


def import_from(
    kind: str, source: str | None, out: str | None, host: HostOptions, write: Callable[[str, str | None], None]
) -> Exit:
    """Have `write` write the manifests of the file `source`, which is of this `kind`, to `out`.

    Raises:
        click.UsageError: there is no file, or options for a host.
        InvalidManifests: the file cannot be used.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in _OF_A_HOST and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} has no place beside --from, which reads no host")
    if source is None:
        raise click.UsageError(f"--from {kind} needs the file that is imported: reconcile import --from {kind} FILE")
    name = "standard input" if source == STDIN else source
    text = _text(source, name)
    here = Here().reading((out,)) if out is not None else Here()
    found = manifests_of(Source(kind, name, text, datetime.now(UTC)), Said(host.host), here.line(VALIDATE))
    write(found.text, out)
    for one in found.warnings:
        say(f"warning: {one}")
    return Exit.DONE


def _text(source: str, name: str) -> str:
    """The text of the file; raises InvalidManifests where it cannot be read."""
    content = sys.stdin.buffer.read(FILE_LIMIT + 1) if source == STDIN else content_of(FoundFile(name, source))
    if isinstance(content, bytes) and len(content) > FILE_LIMIT:
        content = too_large(name, len(content))
    text = content if isinstance(content, Problem) else decoded(content, name)
    if isinstance(text, Problem):
        raise InvalidManifests([text])
    return text
