"""Shares out AP crypto queues of an IBM Z host between its KVM guests: the Python API (docs/python-api.md).

    import reconciler

    with reconciler.open_host() as host:
        wanted = reconciler.read_manifests("/etc/reconciler", machine=host)
        plan = reconciler.plan(wanted, host)
        print(reconciler.plan_text(plan))
        if plan.is_valid and plan.changes:
            result = reconciler.apply(wanted, host, terms=reconciler.Terms(agreed=plan.basis))

A name is loaded when it is first asked for (PEP 562), so that importing one package loads nothing else. Names that are
not in `__all__` may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
"""The release; stands here, as reading it from what is installed takes longer than the rest of a short command."""

if TYPE_CHECKING:
    from reconciler.api import (
        NothingToRollBack,
        apply,
        cancel,
        confirm,
        history,
        host_status,
        observe,
        read_manifests,
        roll_back,
        rollback_target,
        standing,
        status,
        undo_unconfirmed,
    )
    from reconciler.hosts.opening import open_host, open_simulated_host
    from reconciler.kernel.locks import ToolsBusy
    from reconciler.kernel.observe import NoApBus, UnreadableHost
    from reconciler.machines.compare import Comparison
    from reconciler.manifests.site import Site, read_site
    from reconciler.model.codec import BadRecord
    from reconciler.model.desired import Desired
    from reconciler.model.errors import (
        BugError,
        BusyError,
        ConflictError,
        HostError,
        InputError,
        ReconcileError,
        StaleError,
        StateError,
    )
    from reconciler.model.observed import Observed
    from reconciler.model.outcome import Actor, Generation, Origin, Outcome, Result
    from reconciler.model.problems import InvalidManifests, Problem
    from reconciler.model.stopping import Abandoned, StopToken
    from reconciler.operations.apply import (
        AppliedAlready,
        ApplyResult,
        NotApplicable,
        Terms,
        agreed_plan,
        refuse_repeated,
    )
    from reconciler.operations.host_record import (
        BadHostRecord,
        HostRecord,
        LeftBehind,
        RecordedHost,
        read_host_record,
        record_host,
        record_text,
        write_host_record,
    )
    from reconciler.operations.plan import NoSuchGuest, Readable, plan
    from reconciler.operations.sides import NoSuchSide, NotComparable, compare_hosts, standbys_of
    from reconciler.operations.stale_plan import StalePlan
    from reconciler.operations.wanted import (
        AppliedLast,
        AsCommitted,
        BeforeGeneration,
        Enforced,
        Manifests,
        Nearest,
        NothingEnforced,
        NothingRefused,
        NothingWanted,
        NotVerified,
        OfGeneration,
        Refused,
        Wanted,
        WantedSource,
    )
    from reconciler.planning.grid import Cell, CellState, Grid, grid_of
    from reconciler.planning.plan import Plan, PlannedStep
    from reconciler.planning.scope import AllBut, BootStage, Scope, Spared, Targets, VmEvent, Whole
    from reconciler.planning.status import ComparedWith, Known, Status
    from reconciler.render.diagnostics import problems_text
    from reconciler.render.diff_text import plan_diff
    from reconciler.render.plan_json import plan_json
    from reconciler.render.plan_text import plan_text
    from reconciler.transaction.apply import NoProgress, Progress
    from reconciler.transaction.apply_ids import ApplyState, IdTaken, NotBlocked, OtherPlan, Standing
    from reconciler.transaction.cancellation import Cancellation, Cancelled, CannotCancel
    from reconciler.transaction.confirmation import AwaitsConfirmation, NotPending
    from reconciler.transaction.history import NoSuchGeneration
    from reconciler.transaction.lock import Busy
    from reconciler.transaction.open_host import OpenHost
    from reconciler.transaction.recovery import Recovered

_NAMES = {
    "api": "NothingToRollBack apply cancel confirm history host_status observe read_manifests roll_back "
    "rollback_target standing status undo_unconfirmed",
    "hosts.opening": "open_host open_simulated_host",
    "kernel.locks": "ToolsBusy",
    "kernel.observe": "NoApBus UnreadableHost",
    "machines.compare": "Comparison",
    "model.codec": "BadRecord",
    "model.desired": "Desired",
    "model.errors": "BugError BusyError ConflictError HostError InputError ReconcileError StaleError StateError",
    "model.observed": "Observed",
    "model.outcome": "Actor Generation Origin Outcome Result",
    "model.problems": "InvalidManifests Problem",
    "model.stopping": "Abandoned StopToken",
    "manifests.site": "Site read_site",
    "operations.apply": "AppliedAlready ApplyResult NotApplicable Terms agreed_plan refuse_repeated",
    "operations.stale_plan": "StalePlan",
    "operations.host_record": "BadHostRecord HostRecord LeftBehind RecordedHost read_host_record record_host "
    "record_text write_host_record",
    "operations.plan": "NoSuchGuest Readable plan",
    "operations.sides": "NoSuchSide NotComparable compare_hosts standbys_of",
    "operations.wanted": "AppliedLast AsCommitted BeforeGeneration Enforced Manifests Nearest NothingEnforced "
    "NothingRefused NothingWanted NotVerified OfGeneration Refused Wanted WantedSource",
    "planning.grid": "Cell CellState Grid grid_of",
    "planning.plan": "Plan PlannedStep",
    "planning.scope": "AllBut BootStage Scope Spared Targets VmEvent Whole",
    "planning.status": "ComparedWith Known Status",
    "render.diff_text": "plan_diff",
    "render.diagnostics": "problems_text",
    "render.plan_json": "plan_json",
    "render.plan_text": "plan_text",
    "transaction.apply": "NoProgress Progress",
    "transaction.apply_ids": "ApplyState IdTaken NotBlocked OtherPlan Standing",
    "transaction.cancellation": "Cancellation Cancelled CannotCancel",
    "transaction.confirmation": "AwaitsConfirmation NotPending",
    "transaction.history": "NoSuchGeneration",
    "transaction.lock": "Busy",
    "transaction.open_host": "OpenHost",
    "transaction.recovery": "Recovered",
}
"""Where each name of the API is, by module: a test holds it and the types above together."""

_MODULES = {name: f"reconciler.{module}" for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Abandoned",
    "Actor",
    "AllBut",
    "AppliedAlready",
    "AppliedLast",
    "ApplyResult",
    "ApplyState",
    "AsCommitted",
    "AwaitsConfirmation",
    "BadHostRecord",
    "BadRecord",
    "BeforeGeneration",
    "BootStage",
    "BugError",
    "Busy",
    "BusyError",
    "Cancellation",
    "Cancelled",
    "CannotCancel",
    "Cell",
    "CellState",
    "ComparedWith",
    "Comparison",
    "ConflictError",
    "Desired",
    "Enforced",
    "Generation",
    "Grid",
    "HostError",
    "HostRecord",
    "IdTaken",
    "InputError",
    "InvalidManifests",
    "Known",
    "LeftBehind",
    "Manifests",
    "Nearest",
    "NoApBus",
    "NoProgress",
    "NoSuchGeneration",
    "NoSuchGuest",
    "NoSuchSide",
    "NotApplicable",
    "NotBlocked",
    "NotComparable",
    "NotPending",
    "NotVerified",
    "NothingEnforced",
    "NothingRefused",
    "NothingToRollBack",
    "NothingWanted",
    "Observed",
    "OfGeneration",
    "OpenHost",
    "Origin",
    "OtherPlan",
    "Outcome",
    "Plan",
    "PlannedStep",
    "Problem",
    "Progress",
    "Readable",
    "ReconcileError",
    "RecordedHost",
    "Recovered",
    "Refused",
    "Result",
    "Scope",
    "Site",
    "Spared",
    "StaleError",
    "StalePlan",
    "Standing",
    "StateError",
    "Status",
    "StopToken",
    "Targets",
    "Terms",
    "ToolsBusy",
    "UnreadableHost",
    "VmEvent",
    "Wanted",
    "WantedSource",
    "Whole",
    "agreed_plan",
    "apply",
    "cancel",
    "compare_hosts",
    "confirm",
    "grid_of",
    "history",
    "host_status",
    "observe",
    "open_host",
    "open_simulated_host",
    "plan",
    "plan_diff",
    "plan_json",
    "plan_text",
    "problems_text",
    "read_host_record",
    "read_manifests",
    "read_site",
    "record_host",
    "record_text",
    "refuse_repeated",
    "roll_back",
    "rollback_target",
    "standbys_of",
    "standing",
    "status",
    "undo_unconfirmed",
    "write_host_record",
]


if not TYPE_CHECKING:  # so that a type checker finds a name that is none of ours

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
