"""What has to be changed on the HMC for the manifests to become true: a list of steps for each machine.

A queue that goes from one LPAR to another is removed there before it is added here, and an LPAR is deactivated before
another one is activated with its queues. So no two active LPARs ever have a queue on the way, unless they have it
before or after: the hypervisor would refuse the second one. And a standby is activated only when what it takes over
from is deactivated, on whichever machine: no hypervisor would refuse that, and one system would run twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig, Matrix


class Standing(StrEnum):
    """How a machine or an LPAR stands to what it is compared with."""

    NEW = "new"  # only the manifests have it
    CHANGED = "changed"
    GONE = "gone"  # the manifests do not have it


class Action(StrEnum):
    """What a step does, in the order in which steps are done."""

    DEACTIVATE = "deactivate"
    REMOVE = "remove"
    ADD = "add"
    ACTIVATE = "activate"


class ElsewhereStep(NamedTuple):
    """The step `number` of another machine, called `machine`."""

    machine: str
    number: int


class HmcStep(NamedTuple):
    """One step, number `number` (from 1) of its machine: what is changed in one LPAR.

    Attributes:
        number: its place in the list.
        action: what is done.
        lpar: the name of the LPAR.
        standing: how the LPAR stands to what it is compared with.
        is_active: whether it is active when this is done. A new one is taken to be as the manifests want it.
        config: what is removed or added; empty where it is activated or deactivated.
        after: the numbers of the steps that have to be done before this one.
        after_elsewhere: likewise steps of other machines.
    """

    number: int
    action: Action
    lpar: str
    standing: Standing
    is_active: bool
    config: ApConfig
    after: tuple[int, ...] = ()
    after_elsewhere: tuple[ElsewhereStep, ...] = ()

    @property
    def activates(self) -> bool:
        """Whether the LPAR becomes active by it, or right after it: a new one that is to be active."""
        is_new = self.standing is Standing.NEW and self.action is Action.ADD and self.is_active
        return is_new or self.action is Action.ACTIVATE


class MachineChanges(NamedTuple):
    """All steps of one machine.

    Attributes:
        name: of the machine.
        id: of the machine.
        mode: how it is managed, which decides the words only.
        standing: how it stands to what it is compared with.
        lpars: how many LPARs the manifests list for it.
        steps: in the order in which they are done.
    """

    name: str
    id: str
    mode: MachineMode
    standing: Standing
    lpars: int
    steps: tuple[HmcStep, ...]


def hmc_changes(before: Iterable[DesiredMachine], after: Iterable[DesiredMachine]) -> tuple[MachineChanges, ...]:
    """What leads from the machines `before` to those `after`, ascending by name; machines without a step are left out.

    A machine is known by its id, an LPAR by its name in upper or lower case. What is gone gives everything up; that
    something is new says only that nothing is known of it.
    """
    known = {one.id: one for one in before}
    wanted = {one.id: one for one in after}
    every = [
        *(_changes(known.get(one.id), one) for one in wanted.values()),
        *(_changes(one, None) for one in known.values() if one.id not in wanted),
    ]
    found = sorted((one for one in every if one.steps), key=lambda one: (one.name, one.id))
    return tuple(_with_takeovers(found, wanted))


def _with_takeovers(found: Sequence[MachineChanges], wanted: Mapping[str, DesiredMachine]) -> Iterator[MachineChanges]:
    """`found`, where no LPAR becomes active before the other one of a standby and its original is deactivated."""
    families = {
        (machine.id, lpar.name): (lpar.standby_of or machine.named(lpar)).folded
        for machine in wanted.values()
        for lpar in machine.lpars
    }
    ended: dict[LparName, list[tuple[MachineChanges, HmcStep]]] = {}
    for machine in found:
        for step in machine.steps:
            if step.action is Action.DEACTIVATE:
                ended.setdefault(families[machine.id, step.lpar], []).append((machine, step))
    for machine in found:
        steps = []
        for step in machine.steps:
            first = ended.get(families[machine.id, step.lpar], []) if step.activates else []
            own = {before.number for where, before in first if where is machine}
            others = tuple(ElsewhereStep(where.name, before.number) for where, before in first if where is not machine)
            steps.append(step._replace(after=tuple(sorted(own.union(step.after))), after_elsewhere=others))
        yield machine._replace(steps=tuple(steps))


def _changes(before: DesiredMachine | None, after: DesiredMachine | None) -> MachineChanges:
    shown = after or before
    assert shown is not None
    standing = Standing.NEW if before is None else Standing.CHANGED if after else Standing.GONE
    listed = after.lpars if after else ()
    steps = tuple(_steps(before.lpars if before else (), listed))
    return MachineChanges(shown.name, shown.id, shown.mode, standing, len(listed), steps)


class _Change(NamedTuple):
    """How one LPAR is before and is to be after."""

    name: str
    standing: Standing
    before: ApConfig
    after: ApConfig
    was_active: bool
    is_active: bool

    @property
    def kept(self) -> ApConfig:
        """What it has before and after: lists of ids, each by itself."""
        mine, theirs = self.before, self.after
        return ApConfig(
            mine.adapters & theirs.adapters,
            mine.domains & theirs.domains,
            mine.control_domains & theirs.control_domains,
        )

    def steps(self) -> Iterator[HmcStep]:
        """What is done to it, without numbers."""
        stays_active = self.was_active and self.is_active
        lost, gained = _minus(self.before, self.kept), _minus(self.after, self.kept)
        if self.was_active and not self.is_active:
            yield self._step(Action.DEACTIVATE, EMPTY_CONFIG, is_active=True)
        if lost != EMPTY_CONFIG:
            yield self._step(Action.REMOVE, lost, is_active=stays_active)
        if gained != EMPTY_CONFIG:
            yield self._step(Action.ADD, gained, is_active=stays_active)
        if self.is_active and not self.was_active:
            yield self._step(Action.ACTIVATE, EMPTY_CONFIG, is_active=False)

    def _step(self, action: Action, config: ApConfig, *, is_active: bool) -> HmcStep:
        return HmcStep(0, action, self.name, self.standing, is_active, config)

    def given_by(self, step: HmcStep) -> list[Matrix]:
        """The queues that `step` lets other LPARs have."""
        if step.action is Action.DEACTIVATE:
            return [self.before.matrix]
        if step.action is Action.REMOVE and step.is_active:
            return self.before.matrix.minus(self.kept.matrix)
        return []

    def taken_by(self, step: HmcStep) -> list[Matrix]:
        """The queues that no other active LPAR may have when `step` is done."""
        if step.action is Action.ACTIVATE:
            return [self.after.matrix]
        if step.action is Action.ADD and step.is_active:
            return self.after.matrix.minus(self.kept.matrix)
        return []


def _minus(one: ApConfig, other: ApConfig) -> ApConfig:
    return ApConfig(
        one.adapters - other.adapters, one.domains - other.domains, one.control_domains - other.control_domains
    )


def _steps(before: Iterable[DesiredLpar], after: Iterable[DesiredLpar]) -> Iterator[HmcStep]:
    """The steps of one machine, each with its number and those that come before it."""
    changes = {one.name: one for one in _lpar_changes(before, after)}
    # A stable sort: within one kind of step the LPARs stay in their order.
    order = list(Action)
    steps = sorted(
        (step for one in changes.values() for step in one.steps()), key=lambda step: order.index(step.action)
    )
    numbered = [step._replace(number=number) for number, step in enumerate(steps, 1)]
    given = [(step, changes[step.lpar].given_by(step)) for step in numbered]
    for step in numbered:
        yield step._replace(after=tuple(_needed(step, changes, given[: step.number - 1])))


def _needed(
    step: HmcStep, changes: Mapping[str, _Change], given: Iterable[tuple[HmcStep, list[Matrix]]]
) -> Iterator[int]:
    """Which earlier steps come before `step`: those of its LPAR, and each that gives up a queue that it takes."""
    taken = changes[step.lpar].taken_by(step)
    for earlier, rectangles in given:
        if earlier.lpar == step.lpar or any(one.overlaps(other) for one in taken for other in rectangles):
            yield earlier.number


def _lpar_changes(before: Iterable[DesiredLpar], after: Iterable[DesiredLpar]) -> Iterator[_Change]:
    """All LPARs of a machine, ascending by name."""
    known = {one.name.casefold(): one for one in before}
    wanted = {one.name.casefold(): one for one in after}
    for name in sorted(known.keys() | wanted.keys()):
        old, new = known.get(name), wanted.get(name)
        if new is None:
            assert old is not None
            yield _Change(old.name, Standing.GONE, old.config, EMPTY_CONFIG, old.is_active, old.is_active)
        elif old is None:
            yield _Change(new.name, Standing.NEW, EMPTY_CONFIG, new.config, new.is_active, new.is_active)
        else:
            yield _Change(new.name, Standing.CHANGED, old.config, new.config, old.is_active, new.is_active)
