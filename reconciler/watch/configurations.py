"""Which configuration is guarded: the newest one where it can be used, otherwise the last good one."""

from typing import NamedTuple

from reconciler.manifests.changed_files import ChangedFiles
from reconciler.manifests.site import placed
from reconciler.model.desired import Activation, Desired
from reconciler.model.problems import Problem, errors_of
from reconciler.planning.conflicts import conflicts
from reconciler.planning.limits import removal_limits
from reconciler.planning.plan import Consent, Plan
from reconciler.reconcile import Given
from reconciler.watch.last_good import Good
from reconciler.watch.report import Refused
from reconciler.watch.sources import Offer

_MOST_REASONS = 20


class Configuration(NamedTuple):
    """Manifests that can be read, and their git commit; empty where there is none."""

    given: Given
    commit: str

    @property
    def good(self) -> Good:
        """What is kept of it."""
        return Good(self.given.desired, self.commit)


class Configurations:
    """What is guarded, and what is refused."""

    def __init__(self, files: ChangedFiles, host: str | None, last_good: Good | None) -> None:
        """Begin with the last good configuration that an earlier run has left.

        Args:
            files: reads manifests.
            host: the Host to work on; None for that of the machine.
            last_good: what was guarded last.
        """
        self._files = files
        self._host = host
        self.guarded = last_good and Configuration(Given(last_good.desired, None), last_good.commit)
        self.refused: Refused | None = None
        self._former: Configuration | None = None
        self._kept = last_good and _mark(last_good)

    def newest(self, offer: Offer, machine_name: str, now: float) -> Configuration | None:
        """The configuration that `offer` has; None where there is none, or where it cannot be read, which is noted."""
        if not offer.paths:
            if not offer.unreachable:
                self.refuse(offer.commit, offer.refused, now)
            return None
        site = self._files.read_site(offer.paths)
        desired = site.desired(self._host, machine_name)
        if isinstance(desired, Desired):
            return Configuration(Given(desired, site), offer.commit)
        self.refuse(offer.commit, reasons_of(desired), now)
        return None

    def is_new(self, newest: Configuration) -> bool:
        """Whether `newest` means something else than what is guarded."""
        return self.guarded is None or newest.given.desired.digest != self.guarded.given.desired.digest

    @property
    def is_untried(self) -> bool:
        """Whether what is guarded has never been applied, so that what was before may have to be guarded again."""
        return self._former is not None

    @property
    def unkept(self) -> Good | None:
        """What is to be kept for the next start of the loop; None where it is."""
        good = self.guarded and self.guarded.good
        return good if good and not self.is_untried and _mark(good) != self._kept else None

    def kept(self, good: Good) -> None:
        """`good` has been kept."""
        self._kept = _mark(good)

    def accept(self, newest: Configuration) -> None:
        """From now on `newest` is guarded; as long as it is untried, what was guarded before is remembered."""
        if self.is_new(newest):
            self._former = self._former or self.guarded
        self.guarded, self.refused = newest, None

    def withdraw(self) -> None:
        """Guard what was guarded before, where what is guarded is untried."""
        if self._former:
            self.guarded, self._former = self._former, None

    def tried(self) -> None:
        """What is guarded has been applied."""
        self._former = None

    def judge(self, newest: Configuration, plan: Plan, where: str, now: float) -> bool:
        """Whether `newest`, whose plan this is, may be used without a person; otherwise it is noted why not.

        Manifests that contradict each other may not, also where the plan leaves one of their guests as it is.

        `where` says for people where its files are.
        """
        problems = plan.problems
        if plan.left_alone and newest.given.site:
            among = placed(conflicts(newest.given.desired, None, (), (), {}), newest.given.site.sources)
            problems = (*problems, *(one for one in among if one not in problems))
        if errors_of(problems):
            self.refuse(newest.commit, reasons_of(problems), now)
            return False
        if consents := self._consents(newest, plan):
            flags = " ".join(sorted({one.flag for one in consents}))
            told = [f"{one.holder}: {one.reason}" for one in consents[:_MOST_REASONS]]
            what = f"it needs a person's consent; to give it: reconcile --apply -f {where} {flags}"
            self.refuse(newest.commit, (what, *told), now)
            return False
        return True

    def _consents(self, newest: Configuration, plan: Plan) -> tuple[Consent, ...]:
        before = self._former or self.guarded
        if before is None or not plan.is_news:
            return plan.consents
        removals = removal_limits(_claiming(before), _claiming(newest))
        return (*plan.consents, *(one for one in removals if one.flag not in plan.flags))

    def refuse(self, commit: str, reasons: tuple[str, ...], now: float) -> None:
        """Note that a configuration is not used."""
        same = self.refused and (self.refused.commit, self.refused.reasons) == (commit, reasons)
        self.refused = self.refused if same else Refused(commit, reasons, now)


def _claiming(one: Configuration) -> frozenset[str]:
    """The uuids of the devices that are to be there."""
    return frozenset(guest.uuid for guest in one.given.desired.guests if guest.activation is Activation.ACTIVE)


def _mark(good: Good) -> tuple[str, str]:
    """What tells it from others."""
    return good.commit, good.desired.digest


def reasons_of(problems: tuple[Problem, ...]) -> tuple[str, ...]:
    """The errors of `problems` in a line each, at most some."""
    errors = errors_of(problems)
    told = [f"{_place(one)}{one.message} ({one.id})" for one in errors]
    more = len(told) - _MOST_REASONS
    return (*told[:_MOST_REASONS], f"and {more} more") if more > 0 else tuple(told)


def _place(problem: Problem) -> str:
    return f"{problem.places[0].position}: " if problem.places else ""
