"""What decides what the host boots into, beside us: masks that others set, and masks that were not set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reconciler.integrations.ap_rules import rules_file
from reconciler.integrations.boot_unit import boot_unit
from reconciler.integrations.careful_files import NotReadable
from reconciler.integrations.foreign_masks import (
    MaskParameter,
    MaskRule,
    pool_of_parameters,
    pool_words,
    read_foreign_rules,
    read_mask_parameters,
)
from reconciler.integrations.persistence import content_of, pool_at_boot
from reconciler.model.commands import BOOT_INSTALL, DOCTOR, Command
from reconciler.model.desired import Persistence
from reconciler.model.problems import Problem, Severity
from reconciler.planning.plan import Plan

_MOST: Final = 8


def boot_problems(plan: Plan, root: Path) -> tuple[Problem, ...]:
    """What is to be told of how the host that `plan` is for has booted, and boots; `root` precedes all paths."""
    return (
        *_no_unit(plan, root),
        *_not_applied(plan, root),
        *_parameters(read_mask_parameters(root)),
        *_rules(read_foreign_rules(root)),
    )


def _no_unit(plan: Plan, root: Path) -> Iterator[Problem]:
    # Where there is no systemd at all (a simulated host) nobody expects a unit.
    wanted = plan.desired.host.persistence is Persistence.SERVICE
    if wanted and (root / "etc/systemd").is_dir() and not boot_unit(root).enabled:
        yield _warning(
            "boot-unit-not-enabled",
            "the Host says 'persistence: service', but the boot unit is not enabled, so that it boots into nothing",
            (),
            "",
            BOOT_INSTALL,
        )


def _not_applied(plan: Plan, root: Path) -> Iterator[Problem]:
    try:
        rules = content_of(rules_file(root))
    except NotReadable:
        return  # the plan says so where it matters
    if rules is None or pool_at_boot(rules) in (None, plan.observed.pool):
        return
    yield _warning(
        "masks-not-as-at-boot",
        "the masks are not those that the host is to boot with",
        (f"{rules_file(root)} sets others: it was not applied at boot, or somebody has changed them since.",),
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
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        yield _warning(
            "foreign-mask-rules",
            "udev rules of others set masks, too",
            tuple(f"{one.file}:{one.line}: {one.mask} {one.text}" for one in found[:_MOST]) + ((more,) if more else ()),
            "Take these lines out, so that one place decides.",
        )


def _warning(id: str, message: str, details: tuple[str, ...], help: str, advice: Command | None = None) -> Problem:
    return Problem(id, Severity.WARNING, message, (), details, help, advice=advice)
