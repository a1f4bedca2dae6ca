"""Manifests that were made of a host change nothing on it: on random hosts of every kernel, with random definitions."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli.import_command import imported_text
from reconciler.kernel.observe import observe
from reconciler.manifests.site import read_site
from reconciler.model.desired import Activation, Desired
from reconciler.model.ids import IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from reconciler.model.outcome import Result
from reconciler.model.problems import errors_of
from reconciler.model.steps import Definition, Holdings
from reconciler.planning.adoption import adopt
from reconciler.planning.conflicts import conflicts
from reconciler.planning.planner import make_plan
from reconciler.planning.target import pool_of
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from testing.clocks import FakeClock
from testing.holdings import (
    DOMAINS,
    EVERY_PROFILE,
    abilities_of,
    desired_like,
    held,
    holdings,
    host_holding,
    rectangles,
    uuid,
)
from testing.journals import FakeJournal
from testing.recording_sysfs import RecordingSysfs

MASKS = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)
DEFINITIONS = st.lists(
    st.builds(
        Definition,
        st.integers(1, 9).map(uuid),
        st.builds(
            lambda matrix, control: ApConfig(matrix.adapters, matrix.domains, IdSet(control)),
            rectangles(),
            st.sets(st.sampled_from(DOMAINS)),
        )
        | st.just(EMPTY_CONFIG),
        st.booleans(),
    ),
    max_size=5,
)


@st.composite
def odd_holdings(draw: st.DrawFn) -> Holdings:
    """A state without conflict whose masks have any shape, also empty ones, and devices without a queue."""
    state = draw(holdings())
    for axis in ("adapters", "domains"):
        if draw(st.booleans()):
            state = state._replace(
                pool=state.pool._replace(**{axis: getattr(state.pool, axis) & draw(MASKS | st.just(IdSet()))})
            )
    if draw(st.booleans()):
        half = ApConfig(IdSet([draw(st.sampled_from([5, 6]))]), IdSet(), IdSet())
        state = state._replace(mdevs={**state.mdevs, uuid(7): draw(st.sampled_from([EMPTY_CONFIG, half]))})
    return state


def on_kernel(state: Holdings, profile: Profile) -> SimulatedHost:
    """A host that holds `state`, or on kernels before 6.0 what of it can be assigned."""
    if profile.over_provision:
        return host_holding(state, profile)
    host = host_holding(Holdings(state.pool, {}), profile)
    apply_plan(make_plan(desired_like(state), observe(host)), host, FakeClock(), FakeJournal(), NoProgress())
    return host


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(state=odd_holdings(), definitions=DEFINITIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_nothing_changes(profile: Profile, tmp_path: Path, state: Holdings, definitions: list[Definition]) -> None:
    """The manifests are valid, there is nothing to do, and an apply writes nothing."""
    host = on_kernel(state, profile)
    observed = observe(host)
    adoption = adopt(observed, definitions, {})
    file = tmp_path / "site.yaml"
    file.write_text(imported_text("lpar7", observed, adoption), encoding="utf-8")
    site = read_site([file])
    wanted = site.desired(None, "lpar7")

    assert isinstance(wanted, Desired), site.problems
    assert () == site.problems
    derived = pool_of(wanted, ())
    assert [] == errors_of(conflicts(wanted, derived.pool if derived else None, (), ()))

    plan = make_plan(wanted, observed)
    assert [] == errors_of(plan.problems)
    assert () == plan.steps

    before = held(host, abilities_of(profile))
    sysfs = RecordingSysfs(host)
    outcome = apply_plan(plan, sysfs, FakeClock(), FakeJournal(), NoProgress()).outcome
    assert (Result.NOTHING, []) == (outcome.result, sysfs.writes)
    assert before == held(host, abilities_of(profile))
    active = [one.name for one in wanted.guests if one.activation is Activation.ACTIVE]
    assert len(before.mdevs) == len(active)
