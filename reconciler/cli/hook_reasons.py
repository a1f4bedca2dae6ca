"""Why a VM does not start, in one line."""

from reconciler import NotApplicable
from reconciler.model.commands import APPLY, DOCTOR, PLAN, STATUS, VALIDATE, Advised, Here
from reconciler.model.errors import StateError
from reconciler.model.outcome import Outcome, Result
from reconciler.model.problems import InvalidManifests, Problem, completed, errors_of


def reason_of(error: Exception, here: Here) -> str:
    """What `error` says to whoever has started the VM, and what to run `here` about it."""
    match error:
        case InvalidManifests():
            first = errors_of(error.problems)[0]
            where = f" ({first.places[0]})" if first.places and not first.places[0].is_whole else ""
            return f"the manifests are invalid: {first.message}{where}; to see all of it: {here.line(VALIDATE)}"
        case NotApplicable() if not error.plan.is_valid:
            return problem_line(errors_of(error.plan.problems), here)
        case NotApplicable():
            consent = error.plan.consents[0]
            line = here.line(APPLY.with_flags(*error.plan.flags))
            return f"this needs consent: {consent.holder}: {consent.reason}; to give it: {line}"
        case StateError():
            return f"{error}; run: {here.line(DOCTOR)}"
        case PermissionError():
            return f"{error}; the hook must run as root"
        case Advised() if error.advice:
            return f"{error}; run: {here.line(error.advice)}"
        case _:
            return str(error) or type(error).__name__


def problem_line(errors: list[Problem], here: Here) -> str:
    """The first of `errors` in one line, and how many there are; commands are to be run `here`."""
    first, *others = (completed(one, here) for one in errors)
    details = f": {'; '.join(first.details)}" if first.details else ""
    more = f" And {len(others)} more: {here.line(PLAN)}" if others else ""
    return f"{first.message}{details}. {first.help}{more}"


def outcome_reason(outcome: Outcome, here: Here) -> str:
    """What a transaction that failed has left, and what to run `here` to see it."""
    if outcome.result is Result.DEGRADED:
        return f"{outcome.failure}; not everything could be put back; to see what is there: {here.line(STATUS)}"
    return f"{outcome.failure}; everything is as it was before"
