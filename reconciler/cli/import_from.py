"""``reconcile import --from KIND FILE``: manifests of what another program has written down."""

import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from reconciler.cli.exit_codes import Exit
from reconciler.cli.output import say
from reconciler.integrations.hmc import read_login
from reconciler.manifests.files import FILE_LIMIT, STDIN, FoundFile, content_of, too_large
from reconciler.manifests.yaml_stream import decoded
from reconciler.model.commands import VALIDATE, Here
from reconciler.model.problems import InvalidManifests, Problem
from reconciler.operations.importing import Said, Source, manifests_of, manifests_of_hmc

_OF_A_HOST: Final = ("file", "sysfs", "simulate_file", "state_dir", "run_dir")
HMC: Final = "hmc"
"""The kind that is no file: what an HMC says now."""

_MACHINES: Final = ("dpm", "profiles", HMC)
_MACHINE_ID: Final = r"(?a)[A-Za-z0-9]{1,16}-[A-Za-z0-9]{1,8}-[A-Za-z0-9]{16}"

__all__ = ["Said", "import_from"]


def import_from(
    kind: str,
    source: str | None,
    said: Said,
    authority: str | None,
    out: str | None,
    is_dated: bool,
    write: Callable[[str, Sequence[str], Sequence[str]], None],
) -> Exit:
    """Have `write` write the manifests of the file `source`, which is of this `kind`.

    It gets their text, which says when the file was read if it `is_dated`, the names of their hosts, and warnings.
    `out` is the file that they are written to, if any.

    What the user says besides is in `said`. Of an HMC, `source` says who reads it, and `authority` how it is verified.

    Raises:
        click.UsageError: there is no file, or options for a host.
        InvalidManifests: the file cannot be used.
        InputError: what the user says besides does not fit, or an HMC cannot be read.
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
    if authority is not None and kind != HMC:
        raise click.UsageError(f"--hmc-ca has no place beside --from {kind}, which reads no HMC")
    line = (Here().reading((out,)) if out is not None else Here()).line(VALIDATE)
    now = datetime.now(UTC) if is_dated else None
    if kind == HMC:
        if source == STDIN:
            raise click.UsageError("--from hmc needs the name of a file, whose owner and permissions are looked at")
        found = manifests_of_hmc(read_login(Path(source)), authority, now, said, line)
    else:
        name = "standard input" if source == STDIN else source
        found = manifests_of(Source(kind, name, _text(source, name), now), said, line)
    write(found.text, found.hosts, found.warnings)
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
