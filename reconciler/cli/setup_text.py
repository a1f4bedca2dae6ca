"""What ``reconcile setup`` shows before it asks: what is there, what would be written, and which services."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.cli.command_lines import line_of
from reconciler.cli.import_command import ImportedHost
from reconciler.cli.setup_services import Left, Proposed
from reconciler.doctor.finding import Finding
from reconciler.integrations.mdevctl import Definitions
from reconciler.model.commands import DOCTOR, IMPORT, Here
from reconciler.model.observed import Observed, in_brackets
from reconciler.model.printable import lines_text
from reconciler.model.problems import Severity
from reconciler.operations.setup import Written
from reconciler.render.status_text import pool_text
from reconciler.render.table import Page
from reconciler.render.text import counted

_MOST: Final = 12
"""How many devices and findings are shown."""

_MOST_LINES: Final = 60
"""How many lines of the manifests are shown."""


class There(NamedTuple):
    """What is on a host.

    Attributes:
        name: of the host.
        observed: as it was found.
        definitions: what is defined in mdevctl.
        findings: what the doctor finds.
    """

    name: str
    observed: Observed
    definitions: Definitions
    findings: Sequence[Finding]


def there_text(there: There, here: Here, page: Page) -> str:
    """What is on a host; `here` are the options that lead to it."""
    observed = there.observed
    heading = (
        f"Host {there.name}: kernel {observed.release}, {counted(len(observed.cards), 'adapter')}, "
        f"{counted(len(observed.queues), 'queue')}, {counted(len(observed.mdevs), 'mediated device')}"
    )
    rows = [
        ("host pool", [pool_text(observed.pool)]),
        ("devices", _devices(observed)),
        ("mdevctl", _defined(there.definitions)),
        ("doctor", _found(there.findings, here)),
    ]
    lines = [*page.wrapped("", heading), ""]
    for name, texts in rows:
        for number, text in enumerate(texts):
            lines += page.wrapped(f"  {'' if number else name:<11} ", text)
    return lines_text(lines)


def _devices(observed: Observed) -> list[str]:
    shown = [
        f"{one.uuid}{in_brackets(observed.vms.get(one.uuid))}: {one.config.text or 'no queue'}"
        for one in observed.mdevs[:_MOST]
    ]
    more = len(observed.mdevs) - _MOST
    return [*shown, *([f"and {more:,} more"] if more > 0 else [])] or ["none"]


def _defined(definitions: Definitions) -> list[str]:
    starting = sum(one.autostart for one in definitions.found)
    found = [f"{counted(len(definitions.found), 'definition')}, {starting} of them to start at boot"]
    return [*(found if definitions.found else []), *(f"not usable: {one}" for one in definitions.unusable)] or ["none"]


def _found(findings: Sequence[Finding], here: Here) -> list[str]:
    if not findings:
        return ["nothing wrong was found"]
    errors = sum(one.severity is Severity.ERROR for one in findings)
    rest = len(findings) - errors
    shown = [f"{one.severity}[{one.id}]: {one.what}" for one in findings[:_MOST]]
    return [f"{counted(errors, 'error')}, {counted(rest, 'warning')}; what to do: {here.line(DOCTOR)}", *shown]


def manifests_text(written: Written, imported: ImportedHost, here: Here, page: Page) -> str:
    """The manifests that are `written`, made of what was `imported`."""
    guests = counted(len(imported.adoption.guests), "guest")
    heading = f"Manifests: {written.file} will be written, with the host as it is now and {guests}:"
    lines = [*page.wrapped("", heading, 0), ""]
    text = written.text.splitlines()
    lines += [f"  | {page.shown(line)}".rstrip() for line in text[:_MOST_LINES]]
    if len(text) > _MOST_LINES:
        rest = f"{page.ellipsis} and {counted(len(text) - _MOST_LINES, 'more line')}; all of it:"
        lines += (f"  | {line}" for line in page.with_command(rest, here.line(IMPORT)))
    return lines_text(lines)


def services_text(services: Iterable[Proposed | Left], page: Page) -> str:
    """The services that are proposed, each with its command, and the others."""
    return lines_text(["Services:", *(line for one in services for line in _service_lines(one, page))])


def _service_lines(one: Proposed | Left, page: Page) -> Iterator[str]:
    if isinstance(one, Left):
        yield from page.wrapped(f"  {one.name:<6} ", f"{'stays as it is' if one.is_there else 'none'}: {one.why}")
        return
    yield from page.wrapped(f"  {one.service.name:<6} ", f"will be installed: {one.what}")
    yield f"         {line_of(one.words)}"
