"""``reconcile import``: manifests of a host that was set up with other tools, or of what these have written down."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import click

from reconciler import observe
from reconciler.cli.apply_progress import show_unfinished
from reconciler.cli.exit_codes import Exit
from reconciler.cli.open_host import STDOUT, opened, refuse_to_replace
from reconciler.cli.options import HostOptions, format_option, host_options
from reconciler.cli.output import result, say
from reconciler.cli.tree import command
from reconciler.integrations.boot_masks import rules_file
from reconciler.integrations.files import Exists, NotReadable, write_named
from reconciler.integrations.mdevctl import Definitions, Unusable, read_definitions
from reconciler.integrations.persistence import content_of, pool_at_boot
from reconciler.manifests.writing import COMMAND_INDENT, guest_document, host_document, manifests_text
from reconciler.model.codec import BadRecord
from reconciler.model.commands import APPLY, DOCTOR, NOWHERE, Here
from reconciler.model.desired import Persistence
from reconciler.model.observed import Observed
from reconciler.planning.adoption import Adoption, CannotAdopt, adopt, boots_as_adopted, valid_name
from reconciler.render.plan_json import json_text
from reconciler.render.status_text import pool_text
from reconciler.render.text import counted
from reconciler.transaction.journal import Journal
from reconciler.transaction.open_host import OpenHost

_BOOT_NOTES: Final = {
    Persistence.NONE: "An apply changes the running host only. It writes mdevctl's definitions and 41-ap.rules as "
    "well with 'persistence: mdevctl', and reconcile itself applies it at boot with 'persistence: service'.",
    Persistence.MDEVCTL: "The host boots into this by mdevctl's definitions and 41-ap.rules, which each apply keeps "
    "up to date.",
    Persistence.SERVICE: "reconcile-boot.service makes the host as it was applied last, before libvirt starts.",
}

_NOT_DEFINED: Final = Definitions((), ())


_KINDS: Final = ("cex-uuid-map", "crypto-adapters", "device-plugin", "dpm", "profiles", "hmc")
"""The keys of `reconciler.operations.importing.KINDS`, imported only where there is a file to import; and an HMC."""


@command("import")
@click.argument("source", required=False, type=click.Path(readable=False), metavar="[FILE]")
@click.option(
    "--from",
    "kind",
    type=click.Choice(_KINDS),
    metavar="KIND",
    help=f"What FILE is: {', '.join(_KINDS)}. No host is read.",
)
@click.option(
    "--machine", "machine_name", metavar="NAME", help="With --from dpm and profiles: what the Machine is called."
)
@click.option("--machine-id", metavar="ID", help="Likewise: its id, such as IBM-3931-00000000000829E7.")
@click.option(
    "--hmc-ca", type=click.Path(), metavar="FILE", help="With --from hmc: the certificates that vouch for the HMC."
)
@click.option(
    "--pool",
    type=click.Choice(("everything", "derived")),
    help="With --from cex-uuid-map: what the Host gives up, everything as the role has it, or what its guests need.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False), metavar="FILE", help="Write them to FILE, which is made; - is stdout."
)
@format_option("yaml", "json")
@host_options
def import_command(
    source: str | None,
    kind: str | None,
    machine_name: str | None,
    machine_id: str | None,
    hmc_ca: str | None,
    pool: str | None,
    out: str | None,
    format: str,
    host: HostOptions,
) -> Exit:
    """Print manifests of the host as it is, or of what another program has written down.

    They have its pool, its mediated devices, and what is defined in mdevctl, and they change nothing: a plan of them
    has nothing to do.

    With --from KIND they are made from FILE, in which another program has written down who has which queues, and have
    in comments what could not be taken over. FILE may be - (standard input). With --from hmc they are made of what an
    HMC says now, and FILE has three lines, host:, user: and password:; only you may be able to read it.
    """
    out = None if out == STDOUT else out
    if format == "json" and out is not None:
        raise click.UsageError("--out has no place beside -o json, which is for programs")
    write = partial(_write, format, out)
    if kind is not None:
        from reconciler.cli.import_from import Said, import_from

        if pool is not None and kind != "cex-uuid-map":
            raise click.UsageError(f"--pool has no place beside --from {kind}, which leaves no choice of it")
        said = Said(host.host, machine_name, machine_id, pool == "derived")
        return import_from(kind, source, said, hmc_ca, out, format != "json", write)
    given = (source, f"'{source}'"), (machine_name, "--machine"), (machine_id, "--machine-id"), (hmc_ca, "--hmc-ca")
    for value, word in (*given, (pool, "--pool")):
        if value is not None:
            raise click.UsageError(f"{word} has no place here without --from, which says what a file is")
    if out is not None:
        refuse_to_replace("--out", out, host, manifests=False)
    try:
        with opened(host) as machine:
            show_unfinished(host)
            made = imported(machine, host, host.here if out is None else host.here.reading((out,)))
    except CannotAdopt as error:
        say(f"error: {error}")
        return Exit.REFUSED
    warnings = _not_imported(made.definitions.unusable)
    write(made.text, [made.name], warnings)
    _show(made.observed, made.adoption, warnings)
    return Exit.DONE


class ImportedHost(NamedTuple):
    """The manifests of a host as it is.

    Attributes:
        name: of the Host.
        text: the manifests.
        observed: what there is.
        definitions: what is defined in mdevctl.
        adoption: what of both is taken over.
        persistence: how the host boots, as the manifests say.
    """

    name: str
    text: str
    observed: Observed
    definitions: Definitions
    adoption: Adoption
    persistence: Persistence


def imported(
    machine: OpenHost, host: HostOptions, here: Here, otherwise: Persistence = Persistence.NONE
) -> ImportedHost:
    """The manifests of `machine` as it is.

    Args:
        machine: the host.
        host: the options that name it.
        here: the options that lead to it and to the manifests, for the command to run next.
        otherwise: how it is to boot where it does not boot already into what it has.

    Raises:
        CannotAdopt: no manifests describe it.
    """
    observed, root = observe(machine), machine.root
    definitions = read_definitions(root) if root else _NOT_DEFINED
    ours = _names_of_ours(Journal(machine.state, machine.boot_id))
    vm_names = {uuid: one.name for uuid, one in observed.vms.items()}
    name = valid_name(host.host or machine.name.partition(".")[0], "host")
    adoption = adopt(observed, definitions.found, {**vm_names, **ours})
    boot = _boot(adoption, definitions, observed, root, host.here)
    if boot.persistence is Persistence.NONE:
        boot = boot._replace(persistence=otherwise)
    text = imported_text(name, observed, adoption, definitions.unusable, boot, here)
    return ImportedHost(name, text, observed, definitions, adoption, boot.persistence)


def _names_of_ours(journal: Journal) -> dict[str, str]:
    """By uuid the names of the guests that are ours, so that who has lost the manifests finds them again."""
    try:
        return {uuid: name for uuid, (name, _) in journal.applied().guests.items()}
    except BadRecord as error:
        say(f"warning: a file that we keep {error.verdict}, so the names of guests are not known: {error}")
        return {}


class Boot(NamedTuple):
    """How the host boots: which persistence changes no file; what to say of its masks, and to run, if anything."""

    persistence: Persistence = Persistence.NONE
    note: str = ""
    command: str = ""


_ANY_BOOT: Final = Boot()


def _boot(adoption: Adoption, definitions: Definitions, observed: Observed, root: Path | None, here: Here) -> Boot:
    """By mdevctl where the host boots already into what it has; else an apply would write files unasked."""
    if root is None:
        return Boot()
    file = rules_file(root)
    try:
        rules = content_of(file)
    except NotReadable as error:
        return Boot(note=f"What it boots with is not known: {error}.")
    pool = pool_at_boot(rules)
    if rules is not None and pool is None:
        note = f"{file} cannot be read by chzdev and ap-check. This says why:"
        return Boot(note=note, command=COMMAND_INDENT + here.line(DOCTOR))
    if pool is not None and rules is not None and pool != observed.pool:
        return Boot(note=f"At boot {file} leaves the host's own drivers something else: {pool_text(pool)}.")
    boots_so = not definitions.unusable and boots_as_adopted(adoption, definitions.found, pool == observed.pool)
    return Boot(Persistence.MDEVCTL if boots_so else Persistence.NONE)


def imported_text(
    host: str,
    observed: Observed,
    adoption: Adoption,
    unusable: Sequence[Unusable] = (),
    boot: Boot = _ANY_BOOT,
    here: Here = NOWHERE,
) -> str:
    """The manifests of `adoption` for the host named `host`, and in comments what is not in them.

    Args:
        host: the name of the Host.
        observed: what there is.
        adoption: what of it is taken over.
        unusable: the definitions that cannot be.
        boot: how the host boots.
        here: the options that lead to this host and to the manifests, for the command to run next.
    """
    heading = [
        f"The host {host} (kernel {observed.release}) as 'reconcile import' found it.",
        "Look through it and commit it. This then takes over the devices that exist, as they are:",
        COMMAND_INDENT + here.line(APPLY),
        *(f"Not in here, since it cannot be used: {one}." for one in unusable),
    ]
    notes = ["What the host's own drivers give up now: what is 0 in apmask and aqmask.", boot.note, boot.command]
    notes = [note for note in (*notes, _BOOT_NOTES[boot.persistence]) if note]
    documents = [host_document(host, adoption.given_up, notes, boot.persistence)]
    documents += [
        guest_document(one.name, host, one.uuid, one.config, one.activation, one.notes) for one in adoption.guests
    ]
    return manifests_text(documents, heading)


def _write(format: str, file: str | None, text: str, hosts: Sequence[str], warnings: Sequence[str]) -> None:
    """Write the manifests in `text` to `file`, or show them with the names of their `hosts` and `warnings`."""
    if format == "json":
        text = json_text({"formatVersion": 1, "hosts": hosts, "warnings": warnings, "manifests": text})
    if file is None:
        result(text)
        sys.stdout.flush()
        return
    try:
        # A file that a person has looked through and changed is not written over.
        write_named(file, text.encode("utf-8", "backslashreplace"), only_new=True)
    except Exists:
        raise click.UsageError(f"{file} exists already; choose a new file, or remove that one") from None
    what = f"host {hosts[0]}" if len(hosts) == 1 else counted(len(hosts), "host")
    say(f"written: {file}, with the manifests of {what}")


def _not_imported(unusable: Sequence[Unusable]) -> list[str]:
    return [f"not imported: {one}" for one in unusable]


def _show(observed: Observed, adoption: Adoption, warnings: Sequence[str]) -> None:
    for one in warnings:
        say(f"warning: {one}")
    if adoption.not_started:
        names = ", ".join(adoption.not_started[:8]) + (" …" if len(adoption.not_started) > 8 else "")
        say(f"note: defined to start at boot and not there now, so on-demand here, until you make it active: {names}")
        if not observed.vfio_ap:
            say("note: the vfio_ap driver is not loaded; run: modprobe vfio_ap")
