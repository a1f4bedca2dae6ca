"""Persisting: what a plan changes in the files of other tools, so that the host boots into what was applied.

The changes are made up with the plan, recorded in the journal, made after the host has been verified, and taken back
with everything else. A file that another program has changed meanwhile is never written over.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from reconciler.integrations.boot_masks import (
    MaskParameter,
    MaskRule,
    pool_of_parameters,
    pool_words,
    rules_file,
)
from reconciler.integrations.files import NotReadable
from reconciler.integrations.mdevctl import definition_file
from reconciler.integrations.persistence import (
    BootFiles,
    ChangedMeanwhile,
    Found,
    MayNotRead,
    blockers,
    carry_out,
    content_of,
    file_changes,
    move_away,
    pool_at_boot,
    rivals,
    start_by_hand,
)
from reconciler.model.commands import BOOT_INSTALL, DOCTOR, Command
from reconciler.model.desired import Persistence
from reconciler.model.errors import HostError
from reconciler.model.matrix import FULL_MATRIX
from reconciler.model.problems import Place, Problem, Severity
from reconciler.model.steps import AtBoot, FileChange
from reconciler.planning.boot_stages import at_boot, with_files
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied
from reconciler.planning.scope import FILES

_MOST: Final = 8
NO_ROOT: Final = "files of mdevctl or chzdev are as they were left, since it is not known where those of this host are"


class NotPersisted(HostError):
    """A file cannot be changed; the text says which and why; `made` are the changes before it, which were made."""

    def __init__(self, text: str, made: tuple[FileChange, ...]) -> None:
        super().__init__(text)
        self.made = made


def persistent(plan: Plan, applied: Applied, files: BootFiles | None, kept: Collection[str] = ()) -> Plan:
    """`plan` with the changes that it makes to `files`, and with what is to be reported of them.

    Args:
        plan: what is done to the host.
        applied: what was applied last.
        files: those of other tools as they are; None where it is not known where those of this host are.
        kept: whose files stay as another program has left them: uuids, and `HOST` for the masks.
    """
    wanted = at_boot(plan, applied) if plan.only is None else None
    if wanted is None:
        return plan
    if files is None:
        return plan._replace(problems=(*plan.problems, _nowhere(plan)))
    try:
        found = files.found(wanted.ours)
    except NotReadable as error:
        return plan._replace(problems=(*plan.problems, _unreadable(plan, error)), steps=())
    if wanted.pool is None and applied.pool is not None and pool_at_boot(found.rules) == applied.pool:
        wanted = wanted._replace(pool=FULL_MATRIX)  # the masks there are the ones that we wrote
    if not plan.is_valid:
        return plan
    names = {uuid: name for uuid, (name, _) in applied.guests.items()} | {one.uuid: one.name for one in plan.guests}
    root = Path(files.root)
    plan = plan._replace(
        problems=(*plan.problems, *_rival_problems(plan, wanted, found, root), *_blocked(plan, wanted, found, root))
    )
    changes = file_changes(wanted, found)
    changed = tuple(one for one in changes if one.holder not in kept)
    if len(changed) < len(changes):
        plan = plan._replace(spared=plan.spared | {FILES})
    return with_files(plan, changed, names)


def persist(files: Iterable[FileChange], root: Path | None) -> None:
    """Make the changes that are not made yet, in their order.

    Raises:
        NotPersisted: one cannot be made.
    """
    made: tuple[FileChange, ...] = ()
    for change in files:
        if root is None:
            raise NotPersisted(NO_ROOT, made)
        try:
            if content_of(root / change.path) != change.after:
                carry_out(root, change)
        except (OSError, NotReadable, ChangedMeanwhile) as error:
            raise NotPersisted(_said(error, root, change), made) from error
        made = (*made, change)


def restore(files: Iterable[FileChange], root: Path | None) -> tuple[str, ...]:
    """Take back what was made of the changes, the last one first; what could not be, a sentence each."""
    left = []
    for change in reversed(tuple(files)):
        try:
            persist([change.reversed()], root)
        except NotPersisted as error:
            left.append(str(error))
    return tuple(left)


def unlike(files: Iterable[FileChange], root: Path | None) -> tuple[str, ...]:
    """The files that are not as they are to be after the changes, a sentence each."""
    if root is None:
        return tuple(NO_ROOT for _ in files)
    return tuple(f"{root / one.path} is not as it was written" for one in files if not _is(one.after, root / one.path))


def _is(content: bytes | None, file: Path) -> bool:
    try:
        return content_of(file) == content
    except NotReadable:
        return False


def _said(error: Exception, root: Path, change: FileChange) -> str:
    if isinstance(error, OSError):
        return f"{root / change.path} cannot be written: {error.strerror or error}"
    return str(error)


def _place(plan: Plan) -> tuple[Place, ...]:
    given = plan.desired.host.persistence is not Persistence.NONE
    return (Place(plan.desired.host.position, "wanted here", ("spec", "persistence")),) if given else ()


def _nowhere(plan: Plan) -> Problem:
    return Problem(
        "nothing-persisted",
        Severity.WARNING,
        "what this host boots into is not written, since it is not known where the files of mdevctl and chzdev are",
        _place(plan),
        (),
        "Work on this machine's own /sys, or set MDEVCTL_ENV_ROOT to the directory that stands for its root.",
    )


def _unreadable(plan: Plan, error: NotReadable) -> Problem:
    what, remedy = "cannot be used", "Look what it is, and move it away."
    if isinstance(error, MayNotRead):
        what = "may not be read by every user"
        remedy = "Root may read it: run the same command with sudo; for a record of the host, record it with sudo."
    return Problem(
        "file-not-usable",
        Severity.ERROR,
        f"a file that this host boots from {what}: {error}",
        _place(plan),
        (),
        remedy,
    )


def _rival_problems(plan: Plan, wanted: AtBoot, found: Found, root: Path) -> list[Problem]:
    return [
        Problem(
            "rival-definition",
            Severity.WARNING,
            f"mdevctl also starts device {one.uuid} at boot, which has a queue of the host or of a guest",
            _place(plan),
            (),
            f"Whichever is started first has it. Name it in a manifest, or run: {start_by_hand(root, name, one.uuid)}",
        )
        for name, one in rivals(wanted, found).items()
    ]


def _blocked(plan: Plan, wanted: AtBoot, found: Found, root: Path) -> list[Problem]:
    files = [str(definition_file(root, name)) for name in blockers(wanted, found)]
    if not (files and wanted.definitions):
        return []
    return [
        Problem(
            "broken-definition",
            Severity.WARNING,
            f"mdevctl starts no device at boot, since it cannot read {files[0]}",
            _place(plan),
            tuple(f"{one} cannot be read either." for one in files[1:_MOST]),
            f"Correct the file, or move it away: {move_away(files[0])}",
        )
    ]


_MOST_FOUND: Final = 8


def boot_problems(plan: Plan, files: BootFiles) -> tuple[Problem, ...]:
    """What is to be reported of how the host that `plan` is for has booted, and boots, as `files` say."""
    return (
        *_no_unit(plan, files),
        *_not_applied(plan, files),
        *_parameters(files.parameters),
        *_rules(files.foreign_rules),
    )


def _no_unit(plan: Plan, files: BootFiles) -> Iterator[Problem]:
    # Where there is no systemd at all (a simulated host) no unit is expected.
    wanted = plan.desired.host.persistence is Persistence.SERVICE
    if wanted and files.has_systemd and not files.has_boot_unit:
        yield _warning(
            "boot-unit-not-enabled",
            "the Host says 'persistence: service', but the boot unit is not enabled, so that it boots into nothing",
            (),
            "",
            BOOT_INSTALL,
        )


def _not_applied(plan: Plan, files: BootFiles) -> Iterator[Problem]:
    if files.rules is None or pool_at_boot(files.rules) in (None, plan.observed.pool):
        return
    rules = rules_file(Path(files.root))
    yield _warning(
        "masks-not-as-at-boot",
        "the masks are not those that the host is to boot with",
        (f"{rules} sets others: it was not applied at boot, or another program has changed them since.",),
        "An apply sets the masks; the doctor says why rules may not have been applied.",
        DOCTOR,
    )


def _parameters(found: tuple[MaskParameter, ...]) -> Iterator[Problem]:
    if found:
        given = " ".join(f"ap.{one.mask}={one.text}" for one in found)
        unread = [one.mask for one in found if one.malformed]
        pool = pool_of_parameters(found)
        leaves = "nothing" if pool.is_empty else pool_words(pool)
        details = [f"The kernel empties a mask before it reads its parameter; these leave the host's drivers {leaves}."]
        if unread:
            details.append(f"The kernel cannot read {' and '.join(unread)}, so that it stays empty.")
        yield _warning(
            "masks-on-command-line",
            f"the kernel's command line sets masks, too: {given}",
            tuple(details),
            "Take them out of the boot loader's configuration (zipl.conf), so that one place decides.",
        )


def _rules(found: tuple[MaskRule, ...]) -> Iterator[Problem]:
    if found:
        more = f" and {len(found) - _MOST_FOUND} more" if len(found) > _MOST_FOUND else ""
        yield _warning(
            "foreign-mask-rules",
            "udev rules of others set masks, too",
            tuple(f"{one.file}:{one.line}: {one.mask} {one.text}" for one in found[:_MOST_FOUND])
            + ((more,) if more else ()),
            "Take these lines out, so that one place decides.",
        )


def _warning(id: str, message: str, details: tuple[str, ...], help: str, advice: Command | None = None) -> Problem:
    return Problem(id, Severity.WARNING, message, (), details, help, advice=advice)
