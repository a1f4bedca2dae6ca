"""What the loop does about a plan: a row for each decision, and what must never be, whatever the plan."""

from hypothesis import given
from hypothesis import strategies as st

from plans import planned
from reconciler.model.problems import Problem, Severity
from reconciler.planning.plan import ALLOW_DISRUPTION, Cause, Consent, Plan
from reconciler.watch.deciding import Act, Decision, Policy, decide, is_drift
from reconciler.watch.healing import BUDGET, Healing
from reconciler.watch.report import Condition
from reconciler.watch.retry import Retry
