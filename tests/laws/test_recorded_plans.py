"""A plan from the record of a host is the plan that the host itself gives, byte for byte: on random hosts."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.integrations.boot_masks import PersistentMasks
from reconciler.integrations.mdevctl import definition_file
from reconciler.integrations.persistence import BootFiles, read_boot_files
from reconciler.kernel.observe import observe
from reconciler.model.commands import Here
from reconciler.model.desired import Activation, Desired, Persistence
from reconciler.model.ids import ALL_IDS, IdSet
from reconciler.model.matrix import ApConfig, Matrix, Queue
from reconciler.model.observed import (
    Abilities,
    Lpar,
    Observed,
    ObservedCard,
    ObservedMdev,
    ObservedQueue,
    Process,
    Unread,
    VmName,
)
from reconciler.model.steps import Definition, Holdings
from reconciler.operations.host_record import (
    NOTHING_LEFT,
    HostRecord,
    RecordedHost,
    parse_record,
    record_host,
    record_text,
    sealed,
)
from reconciler.operations.plan import plan
from reconciler.operations.wanted import Wanted
from reconciler.planning.basis import host_basis_of
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, inventory_words, make_plan
from reconciler.planning.scope import Scope, Targets, Whole
from reconciler.render.diagnostics import problems_text
from reconciler.render.plan_json import plan_json
from reconciler.render.plan_text import plan_markdown, plan_text
from reconciler.render.saved_plan import IncompletePlan, plan_file_text
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import Profile
from reconciler.transaction.apply import NoProgress, apply_plan
from reconciler.transaction.journal import Journal
from reconciler.transaction.loop_records import Suspension, Suspensions, write_suspensions
from reconciler.transaction.open_host import OpenHost
from reconciler.transaction.state_directory import StateDirectory
from testing.boot_files import write_ap_rules, write_definition
from testing.clocks import FakeClock
from testing.holdings import DOMAINS, EVERY_PROFILE, desired_like, holdings, host_holding, rectangles, uuid
from testing.journals import BOOT, FakeJournal
from testing.simulated_hosts import VmProcesses

NAMES = [f"guest{number}" for number in range(1, 5)]
MASKS = st.none() | st.sets(st.integers(0, 255)).map(lambda ids: ~IdSet(ids))


class World(NamedTuple):
    """A host, and what is known of it besides.

    Attributes:
        start: what it holds.
        running: the devices that a VM has open.
        applied: what was applied last.
        suspensions: what is suspended, and for how long.
        vms: the names of VMs.
        rules: the masks at boot.
        definitions: what mdevctl has.
        odd: the names of definitions that are links.
        wanted: what the manifests ask for.
        state_dir: how its state directory was named.
    """

    start: Holdings
    running: set[str]
    applied: Applied
    suspensions: Suspensions
    vms: Mapping[str, VmName]
    rules: PersistentMasks
    definitions: list[Definition]
    odd: set[str]
    wanted: Desired
    state_dir: str


IDS = st.sets(st.sampled_from([0, 4, 5, 6, 7, 0x47, 200, 255])).map(IdSet) | st.sampled_from([IdSet(), ALL_IDS])
MATRICES = st.builds(Matrix, IDS, IDS)
CONFIGS = st.builds(ApConfig, IDS, IDS, IDS)
NUMBERS = st.sampled_from([0, 4, 5, 200, 255])
FLAGS = st.booleans()
UUIDS = st.integers(1, 6).map(uuid)


def several(kind: Callable[..., Any], keys: st.SearchStrategy[Any], *values: st.SearchStrategy[Any]) -> Any:
    """Up to five of `kind`, each of another key, in ascending order."""
    found = st.dictionaries(keys, st.tuples(*values), max_size=5)
    return found.map(lambda made: tuple(kind(key, *made[key]) for key in sorted(made)))


@st.composite
def odd_records(draw: st.DrawFn) -> HostRecord:
    """A record of a host that cannot be, with digests that fit."""
    process = st.none() | st.builds(Process, st.integers(0, 2**62), st.text(max_size=3))
    driver = st.sampled_from([None, "vfio_ap", "cex4queue", "", "x\x1b"])
    observed = Observed(
        pool=draw(MATRICES),
        lpar=draw(st.builds(Lpar, IDS, IDS, IDS, NUMBERS, NUMBERS)),
        cards=draw(several(ObservedCard, NUMBERS, st.integers(0, 99), FLAGS, FLAGS, FLAGS)),
        queues=draw(several(ObservedQueue, st.builds(Queue, NUMBERS, NUMBERS), driver, FLAGS, FLAGS)),
        mdevs=draw(several(ObservedMdev, UUIDS, CONFIGS, st.none() | MATRICES, FLAGS, FLAGS, process)),
        abilities=draw(st.builds(Abilities, FLAGS, FLAGS, FLAGS)),
        release=draw(st.text(max_size=5)),
        vfio_ap=draw(FLAGS),
    )
    guests = draw(st.dictionaries(UUIDS, st.tuples(st.text(max_size=4), CONFIGS), max_size=4))
    applied = Applied(draw(st.none() | MATRICES), guests, 3, "", draw(st.sampled_from(Persistence)))
    until = st.none() | st.floats(0, 253402300799)
    suspension = st.builds(Suspension, st.text(max_size=3), st.text(max_size=3), until)
    suspended = st.dictionaries(st.sampled_from(["guest1", "", "x\n"]), suspension, max_size=3)
    files = {name: draw(st.binary(max_size=30)) for name in draw(st.sets(UUIDS, max_size=3))}
    made = HostRecord(
        host="lpar7",
        recorded=draw(st.floats(0, 253402300799)),
        options=(),
        observed=observed,
        applied=applied,
        suspensions=draw(st.none() | st.builds(Suspensions, st.none() | suspension, suspended)),
        boot=BootFiles("/x", draw(st.none() | st.binary(max_size=50)), files, {}, (), draw(FLAGS), False, (), ()),
        left=NOTHING_LEFT,
        unread=draw(st.just(()) | st.builds(Unread, st.text(), st.text()).map(lambda one: (one,))),
        basis=host_basis_of(observed, inventory_words(applied)),
        content_digest="",
    )
    return sealed(made)


@st.composite
def wanted_manifests(draw: st.DrawFn) -> Desired:
    """Manifests of any persistence and activation, the pool given or derived."""
    found = desired_like(draw(holdings()))
    guests = tuple(one._replace(activation=draw(st.sampled_from(Activation))) for one in found.guests)
    given_up = found.host.given_up if draw(st.booleans()) else None
    host = found.host._replace(given_up=given_up, persistence=draw(st.sampled_from(Persistence)))
    return found._replace(host=host, guests=guests)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Anything that a plan rests on."""
    start = draw(holdings())
    ours = draw(st.sets(st.sampled_from(sorted(start.mdevs)))) if start.mdevs else set()
    before = draw(holdings())
    held_then = {one: (f"guest{one[-1]}", what) for one, what in before.mdevs.items()}
    guests = held_then | {one: (f"was-{one[-1]}", start.mdevs[one]) for one in ours}
    pool = draw(st.none() | st.just(start.pool))
    suspension = st.builds(Suspension, st.text(max_size=5), st.just("kim"), st.sampled_from([None, 1.0, 1.9e9]))
    return World(
        start=start,
        running=draw(st.sets(st.sampled_from(sorted(start.mdevs)))) if start.mdevs else set(),
        applied=Applied(pool, guests, 3, "d" * 64, draw(st.sampled_from(Persistence))),
        suspensions=Suspensions(
            draw(st.none() | suspension), draw(st.dictionaries(st.sampled_from(NAMES), suspension, max_size=2))
        ),
        vms=draw(st.dictionaries(st.integers(1, 4).map(uuid), st.builds(VmName, st.text(max_size=5), st.just("off")))),
        rules=draw(st.builds(PersistentMasks, MASKS, MASKS)),
        definitions=draw(
            st.lists(
                st.builds(
                    Definition,
                    st.integers(1, 6).map(uuid),
                    rectangles().map(lambda one: ApConfig(*one, IdSet(DOMAINS[:1]))),
                    st.booleans(),
                ),
                max_size=3,
            )
        ),
        odd=draw(st.sets(st.integers(1, 6).map(uuid), max_size=1)),
        wanted=draw(wanted_manifests()),
        state_dir=draw(st.sampled_from(["/srv/state", "state", "../x y/./state"])),
    )


def on_kernel(state: Holdings, profile: Profile) -> SimulatedHost:
    """A host that holds `state`, or on kernels before 6.0 what of it can be assigned."""
    if profile.over_provision:
        return host_holding(state, profile)
    host = host_holding(Holdings(state.pool, {}), profile)
    apply_plan(make_plan(desired_like(state), observe(host)), host, FakeClock(), FakeJournal(), NoProgress())
    return host


def machine_of(world: World, profile: Profile, folder: Path) -> OpenHost:
    """The host of `world`, as it is met; its files are in `folder`."""
    host = on_kernel(world.start, profile)
    for one in world.running:
        if one in {mdev.uuid for mdev in observe(host).mdevs}:
            host.start_vm(one)
    state = StateDirectory(folder / "state")
    state.prepare()
    Journal(state, BOOT).finish(world.applied)
    write_suspensions(state, world.suspensions)
    root = folder / "root"
    write_ap_rules(root, world.rules)
    for definition in world.definitions:
        write_definition(root, definition)
    for name in world.odd:
        file = definition_file(root, name)
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to("/nowhere")
    (root / "proc").mkdir(parents=True)
    (root / "proc/cmdline").write_text("ap.apmask=+5 quiet")
    here = Here(("--state-dir", world.state_dir), ("-f", "site"))
    return OpenHost(VmProcesses(host), FakeClock(), state, BOOT, "lpar7", vms=lambda: world.vms, root=root, here=here)


def shown(made: Plan) -> list[str]:
    """All that is ever shown of a plan, and the file in which it is saved."""
    texts = [plan_text(made), plan_json(made), plan_markdown(made), problems_text(made.problems)]
    return [*texts, plan_file_text(made, ["site"])]


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda one: one.name)
@given(world=worlds())
@settings(max_examples=10)
def test_the_plan_of_a_record_is_the_hosts_own(profile: Profile, world: World) -> None:
    """Problems, suspensions and files for the next boot included; also the plan as it is saved.

    However the host was named for the record: in the plan paths are absolute.
    """
    with TemporaryDirectory() as folder:
        machine = machine_of(world, profile, Path(folder))
        wanted = Wanted(world.wanted, commit="0123abcd")
        record = record_host(machine)
        read = parse_record(record_text(record).encode("ascii"))

        assert record == read
        assert () == read.unread
        here = Here(("--state-dir", os.path.abspath(world.state_dir)), machine.here.manifests)
        machine, recorded = machine._replace(here=here), RecordedHost(read, Here(read.options, here.manifests))
        scopes: list[Scope] = [Whole(), Whole(with_boot=True)]
        scopes += [Targets(frozenset([one.name])) for one in world.wanted.guests[:1]]
        for scope in scopes:
            own = plan(wanted, machine, scope)
            assert own == plan(wanted, recorded, scope)
            assert shown(own) == shown(plan(wanted, recorded, scope))
        assert read.basis == plan(wanted, machine).basis[1:6]


@given(record=odd_records(), wanted=wanted_manifests())
@settings(max_examples=60)
def test_any_record_that_is_read_gives_a_plan(record: HostRecord, wanted: Desired) -> None:
    """Also of a host that cannot be; whoever can write one can make its digests fit."""
    read = parse_record(record_text(record).encode("ascii"))
    made = plan(Wanted(wanted), RecordedHost(read))

    assert record == read
    assert record.unread == made.unread
    assert all(plan_text(made) + plan_json(made) + plan_markdown(made) + problems_text(made.problems))
    if made.unread:
        with pytest.raises(IncompletePlan):
            plan_file_text(made, ["site"])
    else:
        assert plan_file_text(made, ["site"])


def test_files_that_cannot_be_used_are_the_same_in_a_record(tmp_path: Path) -> None:
    """A definition that is a link, in a folder with others."""
    file = definition_file(tmp_path, uuid(1))
    file.parent.mkdir(parents=True)
    file.symlink_to("/nowhere")

    found = read_boot_files(tmp_path)

    assert [uuid(1)] == [*found.unusable]
    assert () == found.denied
