"""Random and small worlds: who holds what on a host, as values and on a simulated host."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import product
from typing import Final

from hypothesis import strategies as st

from reconciler.kernel.observe import mdev_uuids, read_config
from reconciler.kernel.paths import APMASK, AQMASK, CREATE, mdev
from reconciler.kernel.sysfs import Sysfs
from reconciler.kernel.text_forms import mask_text, parse_mask
from reconciler.kernel.writes import writes_of
from reconciler.model.desired import Activation, Desired, DesiredGuest, DesiredHost, GivenUp, Presence, Unmanaged
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, FULL_MATRIX, ApConfig, Matrix
from reconciler.model.observed import Abilities
from reconciler.model.problems import Position
from reconciler.model.steps import Action, Holdings, Step
from reconciler.simulator.hardware import Card, Hardware
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES, Profile

ADAPTERS: Final = (5, 6, 7, 200)
DOMAINS: Final = (4, 0x47, 0xAB, 255)
PRESENT: Final = (5, 6, 7)
"""Adapter 200 is never there."""

POSITION: Final = Position("guests.yaml", 1, 1)


def uuid(number: int) -> str:
    """A recognisable uuid."""
    return f"00000000-0000-4000-8000-{number:012x}"


def config(adapters: Iterable[int], domains: Iterable[int], control: Iterable[int] | None = None) -> ApConfig:
    """A configuration; control domains are the usage domains where they are not given."""
    domains = IdSet(domains)
    return ApConfig(IdSet(adapters), domains, domains if control is None else IdSet(control))


def matrix(adapters: Iterable[int], domains: Iterable[int]) -> Matrix:
    """A rectangle."""
    return Matrix(IdSet(adapters), IdSet(domains))


def guest(name: str, what: ApConfig, number: int = 0, **fields: object) -> DesiredGuest:
    """A guest as a manifest describes it."""
    made = DesiredGuest(
        name, "lpar7", uuid(number), what, Activation.ACTIVE, Presence.ANY, (), Position("guests.yaml", 10 + number, 1)
    )
    return made._replace(**fields)  # type: ignore[arg-type]


def desired(guests: Iterable[DesiredGuest] = (), given_up: GivenUp | None = None, **fields: object) -> Desired:
    """What the manifests of one host say."""
    host = DesiredHost("lpar7", given_up, (), Unmanaged.IGNORE, POSITION)._replace(**fields)  # type: ignore[arg-type]
    ordered = tuple(sorted(guests, key=lambda one: one.name))
    return Desired(host, ordered, sha256(repr((host, ordered)).encode()).hexdigest())


def desired_like(holdings: Holdings) -> Desired:
    """The manifests that ask for exactly `holdings`."""
    given_up = GivenUp(~holdings.pool.adapters, ~holdings.pool.domains)
    guests = [guest(f"guest{one[-2:]}", what, int(one[-12:], 16)) for one, what in holdings.mdevs.items()]
    return desired(guests, given_up)


def hardware(adapters: Iterable[int] = PRESENT, domains: Iterable[int] = DOMAINS) -> Hardware:
    """Cards of the newest type in a machine that can have every id."""
    return Hardware(255, 255, {adapter: Card() for adapter in adapters}, IdSet(domains), IdSet(domains))


def abilities_of(profile: Profile) -> Abilities:
    """What a kernel of `profile` can do."""
    return Abilities(profile.ap_config, profile.over_provision, profile.name == "7.2")


def host_holding(holdings: Holdings, profile: Profile, machine: Hardware | None = None) -> SimulatedHost:
    """A simulated host on which everything is held as in `holdings`."""
    host = SimulatedHost(machine or hardware(), profile, pool=holdings.pool)
    make_devices(host, holdings, abilities_of(profile))
    return host


def make_devices(host: Sysfs, holdings: Holdings, abilities: Abilities) -> None:
    """Make the devices of `holdings`."""
    for one, what in holdings.mdevs.items():
        host.write(CREATE, one)
        for write in writes_of(Step(Action.CONFIGURE, one, EMPTY_CONFIG, what), abilities):
            host.write(write.path, write.value)


def hold_instead(host: Sysfs, holdings: Holdings, abilities: Abilities) -> None:
    """Let an existing host hold `holdings` and nothing else; quicker than a new one."""
    for one in mdev_uuids(host):
        host.write(f"{mdev(one)}/remove", "1")
    set_masks(host, holdings.pool)
    make_devices(host, holdings, abilities)


def held(host: Sysfs, abilities: Abilities) -> Holdings:
    """Who holds what on a host, read through its files."""
    pool = Matrix(parse_mask(host.read(APMASK)), parse_mask(host.read(AQMASK)))
    return Holdings(pool, {one: read_config(host, one, abilities)[0] for one in mdev_uuids(host)})


def rectangles(adapters: Iterable[int] = ADAPTERS, domains: Iterable[int] = DOMAINS) -> st.SearchStrategy[Matrix]:
    """Rectangles with at least one queue."""
    return st.builds(
        Matrix,
        st.sets(st.sampled_from(sorted(adapters)), min_size=1).map(IdSet),
        st.sets(st.sampled_from(sorted(domains)), min_size=1).map(IdSet),
    )


def shares() -> st.SearchStrategy[Matrix]:
    """What a device may have: mostly a rectangle, or nothing at all."""
    return st.one_of(rectangles(), rectangles(), rectangles(), st.just(Matrix(NO_IDS, NO_IDS)))


@st.composite
def holdings(draw: st.DrawFn, guests: int = 4, foreign: Mapping[str, ApConfig] | None = None) -> Holdings:
    """A state without conflict: a host pool and up to `guests` devices; those of `foreign` are in it as they are."""
    adapters = ~draw(st.sets(st.sampled_from(ADAPTERS)).map(IdSet))
    domains = ~draw(st.sets(st.sampled_from(DOMAINS)).map(IdSet))
    pool = Matrix(adapters, domains)
    mdevs: dict[str, ApConfig] = dict(foreign or {})
    if any(one.matrix.overlaps(pool) for one in mdevs.values()):
        pool = pool._replace(domains=pool.domains - IdSet(DOMAINS))
    for number in range(1, guests + 1):
        if draw(st.booleans()):
            continue
        free = draw(shares())
        control = draw(st.sets(st.sampled_from(DOMAINS)).map(IdSet))
        if not free.overlaps(pool) and not any(free.overlaps(other.matrix) for other in mdevs.values()):
            mdevs[uuid(number)] = ApConfig(*free, control)
    return Holdings(pool, mdevs)


def all_holdings(adapters: tuple[int, ...], domains: tuple[int, ...], guests: int) -> list[Holdings]:
    """Every state without conflict over a small universe; each guest has a rectangle or no device."""
    rectangles = [matrix(some, others) for some, others in product(_subsets(adapters), _subsets(domains))]
    pools = [Matrix(ALL_IDS - gone.adapters, ALL_IDS - gone.domains) for gone in rectangles]
    shares = [None, *(one for one in rectangles if not one.is_empty)]
    found = []
    for pool in pools:
        for chosen in product(shares, repeat=guests):
            matrices = [pool, *(one for one in chosen if one)]
            if not any(one.overlaps(other) for place, one in enumerate(matrices) for other in matrices[:place]):
                mdevs = {uuid(place): ApConfig(*one, NO_IDS) for place, one in enumerate(chosen, 1) if one}
                found.append(Holdings(pool, mdevs))
    return found


def _subsets(ids: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(one for place, one in enumerate(ids) if bits >> place & 1) for bits in range(1 << len(ids))]


def set_masks(host: Sysfs, pool: Matrix) -> None:
    """Write both masks."""
    host.write(APMASK, mask_text(pool.adapters))
    host.write(AQMASK, mask_text(pool.domains))


EVERYTHING_HOST: Final = Holdings(FULL_MATRIX, {})
EVERY_PROFILE: Final = tuple(PROFILES.values())
NEW_PROFILES: Final = tuple(one for one in EVERY_PROFILE if one.over_provision)
