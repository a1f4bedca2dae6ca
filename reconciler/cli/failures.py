"""What the user is told when a command ends early, and with which exit code."""

import os

from reconciler.cli.command_lines import repeated
from reconciler.cli.exit_codes import Exit
from reconciler.cli.options import Said
from reconciler.cli.output import tell, tell_problems
from reconciler.integrations.named_file import CannotWrite
from reconciler.integrations.timers import CannotArm
from reconciler.kernel.locks import ToolsBusy
from reconciler.kernel.observe import UnreadableHost
from reconciler.kernel.sysfs import KernelBusy
from reconciler.model.commands import Advised
from reconciler.model.printable import error_text
from reconciler.model.stopping import Abandoned
from reconciler.model.strict_json import BadRecord
from reconciler.operations.reconcile import InvalidManifests, StalePlan
from reconciler.render.plan_json import BadPlanFile
from reconciler.transaction.confirmation import AwaitsConfirmation, NotPending
from reconciler.transaction.history import NoSuchGeneration
from reconciler.transaction.lock import Busy
from reconciler.transaction.records import remedy
from reconciler.transaction.state_directory import OnlyRoot, UnsafeState


def code_of(error: Exception, said: Said) -> Exit:
    """Tell the user about `error` and return the exit code.

    Args:
        error: what has ended the command; what is not foreseen here is raised again as a bug.
        said: the options of the command, for the one to run next.
    """
    code = _told(error)
    if isinstance(error, Advised) and error.advice:
        tell(f"  next: {said.host.line(error.advice)}")
    for_root = isinstance(error, PermissionError | OnlyRoot) or isinstance(error.__cause__, PermissionError)
    if for_root and os.geteuid() and said.context:
        tell(f"  next: {repeated(said.context, 'sudo')}")
    return code


def _told(error: Exception) -> Exit:
    match error:
        case InvalidManifests():
            tell_problems(error.problems)
            return Exit.INVALID
        case StalePlan():
            tell(f"stale: {error}")
            return Exit.STALE
        case Busy() | ToolsBusy():
            tell(f"busy: {error}")
            return Exit.BUSY
        case Abandoned():
            tell(f"stopped: {error}")
        case AwaitsConfirmation():
            tell(f"busy: {error}")
            return Exit.BUSY
        case (
            NotPending()
            | NoSuchGeneration()
            | CannotArm()
            | CannotWrite()
            | UnreadableHost()
            | KernelBusy()
            | UnsafeState()
            | BadPlanFile()
        ):
            tell(f"error: {error}")
        case BadRecord():
            tell(f"error: a file that we keep is damaged, so nothing was done: {error}")
            tell(f"  next: {remedy(error)}")
        case PermissionError():
            tell(
                f"error: {error.filename or 'a file'}: permission denied; only root may read and change what is kept "
                "of a host"
            )
        case OSError():
            tell(f"error: {error_text(error)}")
        case _:
            if os.environ.get("RECONCILE_DEBUG"):
                raise error
            tell(f"error: this is a bug in reconcile, please report it: {type(error).__name__}: {error}")
            tell("RECONCILE_DEBUG=1 shows where it happened")
    return Exit.FAILURE
