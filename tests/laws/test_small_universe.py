"""Pairs of states of a small universe; `./run trials universe` takes all of them (`trials.universe`)."""

import pytest

from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix
from reconciler.model.steps import Holdings
from reconciler.simulator.kernel_profiles import Profile
from testing.holdings import NEW_PROFILES, all_holdings, uuid
from trials.universe import pairs, walked

EVERY = 20


@pytest.mark.parametrize("profile", NEW_PROFILES, ids=lambda one: one.name)
def test_pairs_of_states_are_safe_after_every_write(profile: Profile) -> None:
    """I1, I2 and I3 hold after every write on the simulated kernel, and the target is reached: other pairs on each."""
    found = walked(profile, NEW_PROFILES.index(profile), EVERY)

    assert found.wrong == []
    assert found.pairs > 1_000


def test_no_pair_is_left_out() -> None:
    """Of pairs that differ only in names one is taken, and no other is left out."""
    assert sum(1 for _ in pairs()) > 20_000


def test_states_are_all_there() -> None:
    """The universe has as many states as counting by hand gives for one guest: no state is left out by accident."""
    full = ALL_IDS
    one_guest = all_holdings((5,), (4,), 1)

    assert len(one_guest) == 7
    assert Holdings(Matrix(full, full), {}) in one_guest
    assert Holdings(Matrix(full - IdSet([5]), full), {uuid(1): ApConfig(IdSet([5]), IdSet([4]), IdSet())}) in one_guest
