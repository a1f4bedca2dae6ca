"""Why a VM does not start, in one line."""

from reconciler.model.outcome import Outcome, Result
from reconciler.model.problems import Problem, errors_of
from reconciler.reconcile import InvalidManifests, NotApplicable


def reason_of(error: Exception) -> str:
    """What `error` says to whoever has started the VM, and what to do about it."""
    match error:
        case InvalidManifests():
            first = errors_of(error.problems)[0]
            where = f" ({first.places[0].position})" if first.places else ""
            return f"the manifests are invalid: {first.message}{where}; 'reconcile validate' shows all of it"
        case NotApplicable() if not error.plan.is_valid:
            return problem_line(errors_of(error.plan.problems))
        case NotApplicable():
            consent = error.plan.consents[0]
            flags = " ".join(error.plan.flags)
            return f"this needs consent: {consent.holder}: {consent.reason}; to give it: reconcile --apply {flags}"
        case PermissionError():
            return f"{error}; the hook must run as root"
        case _:
            return str(error) or type(error).__name__


def problem_line(errors: list[Problem]) -> str:
    """The first of `errors` in one line, and how many there are."""
    first, *others = errors
    details = f": {'; '.join(first.details)}" if first.details else ""
    more = f" And {len(others)} more: see 'reconcile --plan'." if others else ""
    return f"{first.message}{details}. {first.help}{more}"


def outcome_reason(outcome: Outcome) -> str:
    """What a transaction that failed has left."""
    if outcome.result is Result.DEGRADED:
        return f"{outcome.failure}; not everything could be put back, 'reconcile status' shows what is there"
    return f"{outcome.failure}; everything is as it was before"
