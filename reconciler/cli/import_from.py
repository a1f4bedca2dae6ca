"""``reconcile import --from KIND FILE``: manifests of what another program has written down."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import click
from click.core import ParameterSource

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import say
from reconciler.manifests.files import FILE_LIMIT, STDIN, FoundFile, content_of, too_large
from reconciler.manifests.yaml_stream import decoded
from reconciler.model.commands import VALIDATE, Here
from reconciler.model.problems import InvalidManifests, Problem
from reconciler.operations.importing import Said, Source, manifests_of

_OF_A_HOST: Final = ("file", "sysfs", "simulate_file", "state_dir", "run_dir")
_MACHINES: Final = ("dpm", "profiles")
_MACHINE_ID: Final = r"(?a)[A-Za-z0-9]{1,16}-[A-Za-z0-9]{1,8}-[A-Za-z0-9]{16}"

__all__ = ["Said", "import_from"]


def import_from(
    kind: str, source: str | None, said: Said, out: str | None, write: Callable[[str, str | None], None]
) -> Exit:
    """Have `write` write the manifests of the file `source`, which is of this `kind`, to `out`.

    What the user says besides is in `said`.

    Raises:
        click.UsageError: there is no file, or options for a host.
        InvalidManifests: the file cannot be used.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if parameter.name in _OF_A_HOST and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[-1]} has no place beside --from, which reads no host")
    if kind not in _MACHINES and (said.machine is not None or said.machine_id is not None):
        raise click.UsageError(f"--machine and --machine-id have no place beside --from {kind}, which has no machine")
    if said.machine_id is not None and not re.fullmatch(_MACHINE_ID, said.machine_id):
        form = "MANUFACTURER-TYPE-SEQUENCE with 16 characters behind the last '-', such as IBM-3931-00000000000829E7"
        raise click.UsageError(f"--machine-id {said.machine_id}: write {form}")
    if source is None:
        raise click.UsageError(f"--from {kind} needs the file that is imported: reconcile import --from {kind} FILE")
    name = "standard input" if source == STDIN else source
    text = _text(source, name)
    here = Here().reading((out,)) if out is not None else Here()
    found = manifests_of(Source(kind, name, text, datetime.now(UTC)), said, here.line(VALIDATE))
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
