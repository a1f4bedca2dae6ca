"""What goes wrong at boot: who sets masks, when vfio_ap is loaded, what mdevctl has written down, our own unit."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.doctor.finding import Finding, error, listed, warning
from reconciler.integrations.boot_masks import (
    NO_MASKS,
    BadRules,
    MaskParameter,
    MaskRule,
    PersistentMasks,
    pool_of_parameters,
    pool_words,
    read_ap_rules,
    read_foreign_rules,
    read_mask_parameters,
    rules_file,
)
from reconciler.integrations.boot_masks import RULES_NAME as NAME_OF_RULES
from reconciler.integrations.kernel_module import NO_OPTIONS, ModuleOptions, early_loaders, module_options
from reconciler.integrations.mdevctl import Definitions, Effect, Unusable, why_nothing_starts
from reconciler.integrations.persistence import APPLY_MASKS, give_up, move_away, write_masks_anew
from reconciler.integrations.units import BOOT_NAME, Unit, boot_unit
from reconciler.model.commands import APPLY, BOOT_INSTALL, BOOT_UNINSTALL, IMPORT
from reconciler.model.desired import Persistence
from reconciler.model.ids import ALL_IDS
from reconciler.model.matrix import FULL_MATRIX, Matrix
from reconciler.model.steps import Definition


def autostart_findings(definitions: Sequence[Definition], root: Path) -> list[Finding]:
    """What keeps those of `definitions` that start at boot from it, on the machine whose files are below `root`."""
    if not any(one.autostart for one in definitions):
        return []
    fault = why_nothing_starts(root)
    if fault is None:
        return []
    return [
        error(
            "mdevctl-starts-nothing",
            f"no definition of mdevctl is started at boot: {fault.reason}",
            "after the next boot guests that mdevctl is to start have no device, and their VMs do not start",
            f"{fault.help}; or use 'persistence: service'",
        )
    ]


_MOST: Final = 16
"""So many findings of one kind are enough to see what is going on."""


def definition_findings(definitions: Definitions, pool: Matrix) -> list[Finding]:
    """Everything about mdevctl's definitions.

    Args:
        definitions: all of them.
        pool: what the host's drivers have now.
    """
    return [
        *_unusable(definitions.unusable),
        *_overlaps(definitions.found),
        *_with_host([one for one in definitions.found if one.autostart], pool),
    ]


def _unusable(unusable: Sequence[Unusable]) -> list[Finding]:
    by_effect = {effect: [one for one in unusable if one.effect is effect] for effect in Effect}
    return [
        _unusable_finding(effect, listed(list(map(str, these)), _MOST), these[0].file)
        for effect, these in by_effect.items()
        if these
    ]


def _unusable_finding(effect: Effect, files: str, first: str) -> Finding:
    match effect:
        case Effect.STOPS_ALL:
            return error(
                "broken-definition",
                f"mdevctl cannot read what is written down: {files}",
                "one broken file makes mdevctl fail for all devices: it starts none at boot, and changes none",
                f"correct the file, or move it away: {move_away(first)}",
            )
        case Effect.NOT_STARTED:
            return error(
                "definition-not-started",
                f"mdevctl cannot start a device that is written down: {files}",
                "the device is made, the kernel refuses an attribute, and mdevctl removes it; others start",
                f"correct the file: {first}",
            )
        case Effect.PASSED_OVER:
            return warning(
                "definition-passed-over",
                f"mdevctl passes over files in its folder: {files}",
                "it reads regular files only, whose name is a uuid and nothing else; no device is made for another one",
                f"move it away: {move_away(first)}; or make it a file with the uuid of its device as its name",
            )
        case Effect.DENIED:
            return error(
                "needs-root",
                f"what mdevctl starts is not known: {files}",
                "which queues such a device has is not known either",
                "look as root",
            )
        case Effect.UNKNOWN:
            return warning(
                "definition-not-understood",
                f"what mdevctl makes of a file is not known here: {files}",
                "which queues such a device has is not known either, nor whom it is in the way of",
                f"give each device one file, with assign_adapter, assign_domain, assign_control_domain: {first}",
            )


def _overlaps(definitions: Sequence[Definition]) -> list[Finding]:
    found = []
    for one, other in combinations(definitions, 2):
        if not one.config.matrix.overlaps(other.config.matrix):
            continue
        both = one.autostart and other.autostart
        make = error if both else warning
        found.append(
            make(
                "overlapping-definitions",
                f"the definitions {one.uuid} and {other.uuid} have queues in common",
                "both are started at boot, and the second one fails"
                if both
                else "only one of them can be started at a time; ap-check does not notice when they are defined",
                "give each its own queues, or make both guests on-demand, as import writes them",
                IMPORT,
            )
        )
        if len(found) == _MOST:
            break
    return found


def _with_host(definitions: Sequence[Definition], pool: Matrix) -> list[Finding]:
    return [
        error(
            "definition-of-host-queues",
            f"the definition {one.uuid} is to be started at boot, but the host's drivers have queues of it",
            "it cannot be started as long as the masks are as they are now",
            f"take the queues from the host for good: {give_up(one.config.matrix.meet(pool))}; or by a manifest",
        )
        for one in definitions
        if one.config.matrix.overlaps(pool)
    ][:_MOST]


NO_UNIT: Final = Unit(installed=False, enabled=False)


class Boot(NamedTuple):
    """What a host boots with.

    Attributes:
        parameters: masks on the kernel's command line.
        rules: udev rules that set masks, but for those of chzdev.
        masks: what chzdev's rules set; the text of what is wrong with them where they cannot be read.
        early: what loads vfio_ap before anybody has set masks.
        unit: our own unit.
        persistence: what the Host that was applied last says; None where nothing was applied.
        pool: what the host's drivers have now; None where that is not known.
        root: precedes all paths.
        options: what modprobe.d says of ap and vfio_ap.
    """

    parameters: Sequence[MaskParameter] = ()
    rules: Sequence[MaskRule] = ()
    masks: PersistentMasks | str = NO_MASKS
    early: Sequence[str] = ()
    unit: Unit = NO_UNIT
    persistence: Persistence | None = None
    pool: Matrix | None = None
    root: Path = Path("/")
    options: ModuleOptions = NO_OPTIONS


def read_boot(root: Path, release: str, persistence: Persistence | None, pool: Matrix | None = None) -> Boot:
    """What the machine whose files are below `root` boots with.

    Args:
        root: precedes all paths.
        release: of its kernel.
        persistence: see `Boot`.
        pool: see `Boot`.
    """
    masks: PersistentMasks | str
    try:
        masks = read_ap_rules(root)
    except BadRules as refused:
        masks = f"{rules_file(root)}: {refused}"
    parameters, rules = read_mask_parameters(root), read_foreign_rules(root)
    early, options = early_loaders(root, release), module_options(root, release)
    return Boot(parameters, rules, masks, early, boot_unit(root), persistence, pool, root, options)


def boot_findings(boot: Boot) -> list[Finding]:
    """Everything about `boot`."""
    return [
        *_command_line(boot),
        *_options(boot),
        *_rules(boot),
        *_own_rules(boot),
        *_not_applied(boot),
        *_early(boot),
        *_unit(boot),
    ]


def _command_line(boot: Boot) -> list[Finding]:
    if not boot.parameters:
        return []
    found = []
    given = [f"ap.{one.mask}={one.text}" for one in boot.parameters]
    leaves = pool_of_parameters(boot.parameters)
    make, host = (error, "nothing") if leaves.is_empty else (warning, pool_words(leaves))
    found.append(
        make(
            "masks-on-command-line",
            f"the kernel's command line sets masks: {listed(given)}; they leave the host's own drivers {host}",
            "the kernel starts from an empty mask for each parameter, so that what a parameter does not add is taken "
            "from the host; and until vfio_ap is loaded no driver takes these queues, so that the AP bus never says "
            "that it is done, and what waits for it, such as chzdev's rules, does not run",
            "take them out of the boot loader's configuration, and let the manifests say what the host gives up",
        )
    )
    bad = [f"ap.{one.mask}={one.text}" for one in boot.parameters if one.malformed]
    if bad:
        found.append(
            error(
                "malformed-mask-parameter",
                f"the kernel cannot read what its command line says: {listed(bad)}",
                "it takes such a mask for an empty one, so that the host's own drivers have no queue after boot",
                "take it out of the boot loader's configuration, and let the manifests say what the host gives up",
            )
        )
    return found


def _options(boot: Boot) -> list[Finding]:
    found = []
    if boot.options.lines:
        found.append(
            warning(
                "module-options-without-effect",
                f"modprobe.d has options that have no effect: {listed(list(boot.options.lines))}",
                "the AP bus is built into the kernel, so that modprobe never loads it, and vfio_ap has no options; the "
                "host does not give up what these lines seem to say",
                "take the lines out, and let the manifests say what the host gives up: 'spec.pool' of the Host, with "
                "'persistence: service' or 'mdevctl' for every boot",
            )
        )
    if boot.options.masks:
        found.append(
            warning(
                "masks-of-module-options",
                f"modprobe.d sets masks when the AP bus is loaded: {listed(list(boot.options.masks))}",
                "the AP bus is a module of this kernel; it starts from an empty mask for each option, so that what an "
                "option does not add is taken from the host",
                "take the lines out (and make the initrd anew), and let the manifests say what the host gives up",
            )
        )
    return found


def _rules(boot: Boot) -> list[Finding]:
    if not boot.rules:
        return []
    places = list(dict.fromkeys(f"{one.file}:{one.line}" for one in boot.rules))
    return [
        warning(
            "foreign-mask-rules",
            f"udev rules set masks: {listed(places)}",
            "chzdev and ap-check do not look there, and an apply is undone at the next event",
            "take the lines out, and let the manifests say what the host gives up",
        )
    ]


def _own_rules(boot: Boot) -> list[Finding]:
    if not isinstance(boot.masks, str):
        return []
    return [
        error(
            "broken-mask-rules",
            f"chzdev and ap-check cannot read the masks that are set at boot: {boot.masks}",
            "as long as that is so mdevctl starts and defines no device",
            f"correct the line; or write the file anew, with the masks that are in force: "
            f"{write_masks_anew(boot.root, boot.pool or FULL_MATRIX)}",
        )
    ]


def _not_applied(boot: Boot) -> list[Finding]:
    if isinstance(boot.masks, str) or boot.masks == NO_MASKS or boot.pool is None:
        return []
    adapters, domains = (ALL_IDS if one is None else one for one in boot.masks)
    if boot.pool == Matrix(adapters, domains):
        return []
    ours = boot.persistence is Persistence.SERVICE
    return [
        warning(
            "masks-not-as-at-boot",
            f"{NAME_OF_RULES} sets other masks at boot than those that are in force",
            "they were not set when the host was booted (the AP bus may have been done before the rule was there), or "
            "have been changed since; guests whose queues the host has after a boot do not start",
            f"remove {NAME_OF_RULES}: the boot unit sets the masks"
            if ours
            else f"to have them now: {APPLY_MASKS}; to keep those in force: write 'persistence: mdevctl' or 'service' "
            "in the Host, and apply it",
            *(() if ours else (APPLY,)),
        )
    ]


def _early(boot: Boot) -> list[Finding]:
    persistent = boot.masks != NO_MASKS or boot.persistence is Persistence.SERVICE
    if not (boot.early and persistent):
        return []
    return [
        warning(
            "vfio-ap-too-early",
            f"vfio_ap is loaded before the masks are set at boot: {listed(list(boot.early))}",
            "mdevctl starts its definitions as soon as it is there, and each fails while the host's drivers have its "
            "queues",
            "take vfio_ap out of there (and make the initrd anew): chzdev's rules and the boot unit load it after the "
            "masks; where it is built in, use 'persistence: service', which minds that",
        )
    ]


def _unit(boot: Boot) -> list[Finding]:
    if boot.persistence is Persistence.SERVICE and not boot.unit.enabled:
        state = "is installed, but not enabled" if boot.unit.installed else "is not installed"
        return [
            error(
                "boot-unit-not-enabled",
                f"the Host says 'persistence: service', but {BOOT_NAME} {state}",
                "after the next boot the host has all queues again, and no guest gets any",
                "have systemd run it at every boot",
                BOOT_INSTALL,
            )
        ]
    if boot.unit.enabled and boot.persistence not in (None, Persistence.SERVICE):
        return [
            warning(
                "boot-unit-not-wanted",
                f"{BOOT_NAME} is enabled, but the Host that was applied last says 'persistence: {boot.persistence}'",
                "the unit does nothing then, and fails at each boot",
                "remove it, or write 'persistence: service' and apply it",
                BOOT_UNINSTALL,
                APPLY,
            )
        ]
    return []
