"""Plan, status, drift and outcome as people read them."""

import json
import re

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.commands import Here
from reconciler.model.desired import Activation, DesiredGuest, GivenUp, Keep, Unmanaged
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_MATRIX, ApConfig, Matrix
from reconciler.model.outcome import Outcome, Result
from reconciler.model.steps import FileChange, Holdings
from reconciler.planning.grid import CellState, grid_of
from reconciler.planning.plan import Consent, Plan, RollsBack, reason_text, rolling_back
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.status import status_of
from reconciler.render.changes import config_text, sees_text
from reconciler.render.drift import drift_json, drift_text
from reconciler.render.outcome_text import outcome_json, outcome_text
from reconciler.render.plan_json import plan_json
from reconciler.render.plan_text import plan_text
from reconciler.render.queues_text import free_text
from reconciler.render.status_record import status_record
from reconciler.render.status_text import guests_text, pool_text, status_text
from reconciler.render.table import Page
from reconciler.render.text import Painter, Section, fitted, plain
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.kernel_profiles import PROFILES
from testing.holdings import config, desired, guest, hardware, host_holding, matrix, uuid
from testing.simulated_hosts import VmProcesses

FREE = Matrix(ALL_IDS, ~IdSet([4, 0x47]))
GIVES_UP = GivenUp(NO_IDS, IdSet([4, 0x47]))
ONE = config([5], [4])
RELEASE = PROFILES["6.12"].release


def host(profile: str = "6.12", pool: Matrix = FREE, **mdevs: ApConfig) -> SimulatedHost:
    """A host of three adapters; devices are named by the last digit of their uuid."""
    held = {uuid(int(name[1:], 16)): one for name, one in mdevs.items()}
    return host_holding(Holdings(pool, held), PROFILES[profile], hardware(domains=[4, 0x47]))


def applied(**guests: ApConfig) -> Applied:
    """What was applied last."""
    return Applied(FREE, {uuid(int(name[1:], 16)): (name, one) for name, one in guests.items()})


def busy_plan() -> Plan:
    """A plan that does something of every kind."""
    on = host(m1=config([5, 6], [4]), m2=config([5], [0x47]), m3=config([7], [4]), mf=config([7], [0x47]))
    on.start_vm(uuid(1))
    on.start_vm(uuid(3))
    guests = [
        guest("changed", config([5], [4], [4, 6]), 1),
        guest("later", config([6], [0x47]), 4, activation=Activation.ON_DEMAND),
        guest("new", config([6, 200], [0x48]), 5),
        guest("never", ONE, 6, activation=Activation.INACTIVE),
    ]
    return make_plan(
        desired(guests, GivenUp(NO_IDS, IdSet([4, 0x47, 0x48]))),
        observe(on),
        applied(m2=config([5], [0x47]), m3=config([7], [4])),
    )


def test_a_plan_for_people_in_full() -> None:
    """Grouped by holder, then the steps, then what needs consent, the summary last."""
    assert plan_text(busy_plan()) == (
        f"Host lpar7: kernel {RELEASE}, 3 adapters and 6 queues present, 4 mediated devices\n"
        "\n"
        "  ~ host pool (the manifest changed)\n"
        "      - gives up domain 0x48 (72)\n"
        "      given by the manifest\n"
        "\n"
        f"  ~ guest changed  {uuid(1)} (new in the manifests)\n"
        "      - adapter 0x06 (6)\n"
        "      + control domain 0x06 (6)\n"
        "      sees 1 queue instead of 2\n"
        "      pending: control domain 0x06 (6) is not in the LPAR yet\n"
        "      its VM runs and loses a whole adapter\n"
        "\n"
        f"  + guest new  {uuid(5)} (new in the manifests)\n"
        "      + adapters 0x06 (6), 0xc8 (200), domain 0x48 (72)\n"
        "      sees none of its queues\n"
        "      pending: adapter 0xc8 (200) is not there yet\n"
        "      pending: domain 0x48 (72) is not in the LPAR yet\n"
        "\n"
        f"  - device m2  {uuid(2)} (no manifest names it any more)\n"
        "      - adapter 0x05 (5), domain 0x47 (71)\n"
        "\n"
        f"  ~ device m3  {uuid(3)} (no manifest names it any more)\n"
        "      - adapter 0x07 (7)\n"
        "      - domain 0x04 (4)\n"
        "      emptied now, removed by a later apply: its VM has the device open\n"
        "      sees nothing\n"
        "      its VM runs and loses its device\n"
        "\n"
        "    2 unchanged\n"
        "\n"
        "Steps, in this order:\n"
        "  1. changed: adapter 0x05 (5), domain 0x04 (4), control domains 0x04 (4), 0x06 (6)\n"
        "  2. m3: adapters none, domains none\n"
        "  3. host: gives up domain 0x48 (72) (aqmask)\n"
        "  4. new: create its mediated device\n"
        "  5. new: adapters 0x06 (6), 0xc8 (200), domain 0x48 (72)\n"
        "  6. m2: remove its mediated device\n"
        "\n"
        "Needs consent (--allow-disruption):\n"
        "  changed: its VM runs and loses a whole adapter\n"
        "  m3: its VM runs and loses its device\n"
        "\n"
        "Plan: 1 to create, 2 to change, 1 to remove, host pool changes; 6 kernel writes, 2 guests interrupted; "
        "2 guests need consent.\n"
    )


def test_a_plan_in_sync_tells_what_is_pending_only() -> None:
    """Nothing to do, but somebody waits."""
    made = make_plan(desired([guest("a", config([5, 200], [4]), 1)], GIVES_UP), observe(host(m1=config([5, 200], [4]))))

    assert plan_text(made) == (
        f"Host lpar7: kernel {RELEASE}, 3 adapters and 6 queues present, 1 mediated device\n"
        "\n"
        f"    guest a  {uuid(1)}\n"
        "      sees 1 of its 2 queues\n"
        "      pending: adapter 0xc8 (200) is not there yet\n"
        "\n"
        "Nothing to do: the host is as the manifests say.\n"
    )


def test_a_forbidden_plan_has_no_steps() -> None:
    """The problems are shown apart; here it only says that there is no plan."""
    made = make_plan(desired([guest("a", ONE, 1), guest("b", ONE, 2)]), observe(host()))

    assert plan_text(made).splitlines()[2:] == ["No plan: fix the errors above, then run again."]


def test_single_writes_are_counted_where_the_kernel_needs_them() -> None:
    """A kernel without ``ap_config`` takes one write for each id."""
    text = plan_text(make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host("6.1"))))

    assert "  2. a: adapter 0x05 (5), domain 0x04 (4) (3 writes)\n" in text
    assert "4 kernel writes" in text


def test_a_guest_in_the_way_of_a_mask_is_told_to_be_interrupted() -> None:
    """It changes nothing in the end, and yet something happens to it."""
    on = host("7.2", Matrix(~IdSet([5]), FREE.domains), m1=ONE)
    on.start_vm(uuid(1))

    text = plan_text(make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(on)))

    assert "its VM runs and loses queues for a while\n" in text
    assert "1 guest interrupted" in text
    assert "+ gets back adapter 0x05 (5)\n" in text


def test_a_derived_pool_is_explained() -> None:
    """Why whole domains were cleared."""
    text = plan_text(make_plan(desired([guest("a", config([5, 6], [4]), 1)]), observe(SimulatedHost())))

    assert "because giving up whole domains takes the fewest ids" in text
    assert "sees all 2 queues\n" in text


def test_a_plan_says_where_the_host_loses_its_last_queue() -> None:
    """Only there: not where it keeps one, nor where it had none."""
    everything = Matrix(ALL_IDS, ALL_IDS)

    def said(pool: Matrix, *domains: int) -> bool:
        what = desired([guest("a", config([5, 6, 7], domains), 1)])
        return "the host's own drivers keep no queue" in plan_text(
            make_plan(what, observe(host(pool=pool)), Applied(None, {}))
        )

    assert said(everything, 4, 0x47)
    assert not said(everything, 4)
    assert not said(Matrix(ALL_IDS, NO_IDS), 4, 0x47)


@pytest.mark.parametrize("paint", [plain, Painter()])
def test_colours_change_nothing_but_colours(paint: object) -> None:
    """Plan, drift, status and outcome have the same words with and without."""
    made = busy_plan()
    texts = [
        plan_text(made, Page(paint=paint)),  # type: ignore[arg-type]
        drift_text(made, Page(paint=paint)),  # type: ignore[arg-type]
        status_text(status_of(made), Page(paint=paint)),  # type: ignore[arg-type]
        outcome_text(Outcome(Result.APPLIED), paint),  # type: ignore[arg-type]
    ]
    expected = [plan_text(made), drift_text(made), status_text(status_of(made)), outcome_text(Outcome(Result.APPLIED))]
    codes = ["32", "33", "31", "1;31", "1;33", "2", "1", "0"]

    for text, bare in zip(texts, expected, strict=True):
        for code in codes:
            text = text.replace(f"\033[{code}m", "")  # noqa: PLW2901 - one code after the other
        assert text == bare


# Drift ---------------------------------------------------------------------------------------------------------------


def test_drift_is_the_plan_without_steps() -> None:
    """Every holder that differs, and how many there are."""
    text = drift_text(busy_plan())

    assert "Steps" not in text
    assert "\nNo drift, but the host pool and 4 guests differ from the manifests.\n" in text
    record = json.loads(drift_json(busy_plan()))
    assert record["inSync"] is False
    assert [one["name"] for one in record["guests"]] == ["changed", "new", "m2", "m3"]
    assert record["guests"][1]["live"] is None
    assert 72 in record["pool"]["live"]["domains"]


def test_one_guest_that_differs_is_one() -> None:
    """The verb follows the count; what shows what an apply would do comes last."""
    alone = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host(m1=config([6], [4]))))
    here = Here(("--simulate", "host.yaml"), ("-f", "site"))

    assert drift_text(alone, here=here).endswith(
        "\nNo drift, but 1 guest differs from the manifests.\n"
        "  next: reconcile plan -f site --simulate host.yaml    # shows what an apply would do\n"
    )


def test_what_differs_in_a_drift_is_named_by_its_kind() -> None:
    """The host pool, guests, and devices that belong to none; each with its number, in one sentence."""
    pool = make_plan(desired([], GIVES_UP), observe(host(pool=Matrix(ALL_IDS, ALL_IDS))))
    device = make_plan(desired([], GIVES_UP, unmanaged=Unmanaged.REMOVE), observe(host(mf=ONE)))

    assert "\nNo drift, but the host pool differs from the manifests.\n" in drift_text(pool)
    assert "\nNo drift, but 1 device differs from the manifests.\n" in drift_text(device)


def test_drift_is_what_another_program_has_changed() -> None:
    """What only the manifests ask for is none; the sentence says how much of all that differs is drift."""
    six = config([6], [0x47])
    same, kept, other = guest("a", ONE, 1), guest("b", six, 2), guest("b", config([6], [4]), 2)

    def said(*guests: DesiredGuest, **held: ApConfig) -> str:
        made = make_plan(desired(guests, GIVES_UP), observe(host("6.12", FREE, **held)), applied(m1=ONE, m2=six))
        return next(line for line in drift_text(made).splitlines() if "from the manifests" in line)

    assert said(same, kept, m2=six) == "Drift: 1 guest differs from the manifests."
    assert said(same, other, m1=ONE, m2=six) == "No drift, but 1 guest differs from the manifests."
    assert said(same, other, m2=six) == "Drift, and more: 2 guests differ from the manifests."


def test_where_manifest_and_host_have_changed_both_are_the_reason() -> None:
    """Also of a device that is gone, of one that no manifest names any more, and where another generation is wanted."""
    six = config([6], [0x47])

    def reasons(*guests: DesiredGuest, **held: ApConfig) -> list[str]:
        on = host("6.12", FREE, **held)
        made = make_plan(desired(guests, GIVES_UP), observe(on), applied(m1=ONE, m2=six))
        back = rolling_back(made, RollsBack(3, 0))
        assert drift_text(made).rpartition("\n\n")[2].startswith("Drift, and more:")
        return [reason_text(one, None) for plan in (made, back) for one in plan.guests if one.changes]

    changed = guest("a", config([5], [4, 0x47]), 1)
    kept = guest("b", six, 2)
    both = ["the manifest changed, and changed on the host since", "rolled back, and changed on the host since"]
    gone = ["no manifest names it any more, and changed on the host since", both[1]]

    assert reasons(changed, kept, m1=config([6], [4]), m2=six) == both
    assert reasons(changed, kept, m2=six) == both
    assert reasons(kept, m1=config([6], [4]), m2=six) == gone


def test_without_drift_that_is_told() -> None:
    """In sync, or nothing can be told because the manifests are wrong."""
    in_sync = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(host(m1=ONE)))
    wrong = make_plan(desired([guest("a", ONE, 1), guest("b", ONE, 2)], GIVES_UP), observe(host()))

    assert drift_text(in_sync).endswith("\nIn sync.\n")
    assert json.loads(drift_json(in_sync)) == {
        "formatVersion": 1,
        "host": "lpar7",
        "inSync": True,
        "rolledBack": None,
        "pool": None,
        "guests": [],
        "atBoot": {"persistence": "none", "inSync": True, "files": []},
        "problems": [],
    }
    assert drift_text(wrong).endswith("No plan: fix the errors above, then run again.\n")


# Status --------------------------------------------------------------------------------------------------------------


def test_a_status_and_a_matrix_count_the_same_free_queues() -> None:
    """What an on-demand guest claims is not free, although no guest has it while its VM does not run."""
    b = guest("b", config([6], [0x47]), 2, activation=Activation.ON_DEMAND)
    made = make_plan(desired([b], GIVES_UP), observe(host()))

    line = next(line for line in status_text(status_of(made)).splitlines() if "  free " in line)
    assert line == "  free        5 queues (1 more claimed): 05.0004, 05.0047, 06.0004, 07.0004, 07.0047"
    assert free_text(status_of(made)).endswith(
        "5 free queues: neither a guest nor the host has them, and no guest claims them; 1 more claimed.\n"
        "compared with the manifests\n"
    )
    assert grid_of(made).counts[CellState.FREE] == 5


def test_where_all_is_claimed_or_the_hosts_that_is_said() -> None:
    """And that guests can claim what the host has."""
    every = guest("b", config([5, 6, 7], [4, 0x47]), 2, activation=Activation.ON_DEMAND)
    claimed = status_of(make_plan(desired([every], GIVES_UP), observe(host())))
    of_host = status_of(make_plan(desired(), observe(host(pool=Matrix(ALL_IDS, ALL_IDS)))))

    assert "  free        none (6 claimed)\n" in status_text(claimed)
    assert "\nNo queue is free: these 6 are claimed, and no guest has them now.\n" in free_text(claimed)
    assert free_text(of_host) == (
        "No queue is free: each one present is the host's or in a mediated device.\n"
        "A guest can claim queues of the host: the plan then takes them from the host pool.\n"
        "\ncompared with the manifests\n"
    )


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_next_command_of_a_status_is_never_wider_for_its_remark(width: int) -> None:
    """The remark stands below the command where there is no room for both."""
    a = guest("a", config([5], [4]), 1)
    status = status_of(make_plan(desired([a], GIVES_UP), observe(host())))
    here = Here(machine=("--simulate", "a-name-that-is-long-enough.yaml"))

    lines = status_text(status, Page(width), here=here).splitlines()

    assert [line for line in lines if "next: " in line]
    assert [line for line in lines if "next: " in line and "    # " in line and len(line) > width] == []
    assert any(line.startswith("        # ") for line in lines)


def test_a_status_for_people_in_full() -> None:
    """Pool, free queues, every guest with wanted, authorised, effective and why, who waits, and what is foreign."""
    on = host(m1=config([5], [4, 0x47]), mf=config([6], [4], [4, 5]))
    on.start_vm(uuid(1))
    on.start_vm(uuid(0xF))
    guests = [
        guest("a", config([5], [4, 0x47]), 1),
        guest("b", config([200], [4]), 2, activation=Activation.ON_DEMAND),
    ]
    made = make_plan(desired(guests, GIVES_UP), observe(on))

    assert status_text(status_of(made)) == (
        f"Host lpar7: kernel {RELEASE}, 3 adapters, 6 queues, 2 mediated devices\n"
        "\n"
        "  compared    with the manifests\n"
        "  host pool   everything but domains 0x04 (4), 0x47 (71)\n"
        "  free        3 queues: 06.0047, 07.0004, 07.0047\n"
        "  at boot     nothing of this is kept (spec.persistence: none)\n"
        "  pending     adapter 0xc8 (200), claimed by b\n"
        "\n"
        "NAME                                  STATE      QUEUES  SEES  VM      WHY\n"
        "a                                     in-sync    2       2     in use  -\n"
        "b                                     on-demand  1       -     -       -\n"
        f"{uuid(0xF)}  foreign    1       1     in use  -\n"
        "\n"
        "Nothing to do: the host is as the manifests say.\n"
    )
    narrow = guests_text(status_of(made), status_of(made).rows, Page(50)).splitlines()
    assert [line for line in narrow if len(line) > 50] == []
    assert guests_text(status_of(made), status_of(made).rows) == (
        "compared with the manifests\n"
        "\n"
        f"a  {uuid(1)}  (in-sync, active, in use)\n"
        "  manifest    guests.yaml:11\n"
        "  wanted      adapter 0x05 (5), domains 0x04 (4), 0x47 (71)\n"
        "  authorised  adapter 0x05 (5), domains 0x04 (4), 0x47 (71)\n"
        "  effective   adapter 0x05 (5) × domains 0x04 (4), 0x47 (71)\n"
        "\n"
        f"b  {uuid(2)}  (on-demand)\n"
        "  manifest    guests.yaml:12\n"
        "  wanted      adapter 0xc8 (200), domain 0x04 (4)\n"
        "  authorised  no device\n"
        "\n"
        f"{uuid(0xF)}  (foreign, in use)\n"
        "  authorised  adapter 0x06 (6), domain 0x04 (4), control domains 0x04-0x05 (4-5)\n"
        "  effective   adapter 0x06 (6) × domain 0x04 (4)\n"
    )


def test_a_status_for_programs() -> None:
    """The same as plain values."""
    made = make_plan(desired([guest("a", config([5, 200], [4]), 1)], GIVES_UP), observe(host(mf=config([6], [4]))))

    record = status_record(status_of(made))

    assert record["guests"] == [
        {
            "name": "a",
            "uuid": uuid(1),
            "state": "missing",
            "labels": {},
            "manifest": "guests.yaml:11",
            "suspended": None,
            "activation": "active",
            "wanted": {"adapters": [5, 200], "domains": [4], "controlDomains": [4]},
            "wantedQueues": 2,
            "authorised": None,
            "effective": None,
            "inUse": False,
            "openedBy": None,
            "why": ["its device does not exist; apply makes it"],
        }
    ]
    assert record["pending"] == [{"adapter": 200, "guests": ["a"]}]
    assert record["free"] == ["05.0047", "06.0047", "07.0004", "07.0047"]
    assert record["claimed"] == [{"queue": "05.0004", "claimedBy": ["a"]}]
    assert [one["uuid"] for one in record["foreign"]] == [uuid(0xF)]
    assert record["inSync"] is False


def test_the_process_that_has_a_device_open_is_named_where_it_is_known() -> None:
    """In the plan, in what needs consent, in the status, and for programs."""
    on = host(m1=config([5, 6], [4]), m3=config([7], [4]), mf=config([7], [0x47]))
    for number in (1, 3, 0xF):
        on.start_vm(uuid(number))
    made = make_plan(desired([guest("a", ONE, 1)], GIVES_UP), observe(VmProcesses(on)), applied(m3=config([7], [4])))
    who = {"process": 4711, "command": "qemu-system-s390x"}

    text = plan_text(made)
    assert "      its VM (qemu-system-s390x, process 4711) runs and loses a whole adapter\n" in text
    assert "removed by a later apply: its VM (qemu-system-s390x, process 4711) has the device open\n" in text
    assert "  a: its VM (qemu-system-s390x, process 4711) runs and loses a whole adapter\n" in text
    assert [one["openedBy"] for one in json.loads(plan_json(made))["guests"]] == [who, who]

    status = guests_text(status_of(made), status_of(made).rows)
    assert f"a  {uuid(1)}  (changes, active, in use by qemu-system-s390x, process 4711)\n" in status
    assert f"{uuid(0xF)}  (foreign, in use by qemu-system-s390x, process 4711)\n" in status
    assert "  qemu-system-s390x, process 4711  its device differs" in status_text(status_of(made))
    record = status_record(status_of(made))
    assert [one["openedBy"] for one in record["guests"] + record["foreign"]] == [who, who, who]


def test_what_no_manifest_names_any_more_is_wanted_by_nobody() -> None:
    """A device of ours that is to go; and of many free queues the first are named."""
    on = host_holding(
        Holdings(Matrix(ALL_IDS, ~IdSet(range(64))), {uuid(1): ONE}), PROFILES["6.12"], hardware([5], range(64))
    )
    made = make_plan(desired([], GivenUp(NO_IDS, IdSet(range(64)))), observe(on), applied(m1=ONE))

    text = status_text(status_of(made))

    assert f"m1  {uuid(1)}  (leaving)\n  wanted      nothing\n" in guests_text(status_of(made), status_of(made).rows)
    assert "  free        63 queues: 05.0000, " in text
    assert " and 47 more (--free)\n" in text


@pytest.mark.parametrize(
    ("pool", "text"),
    [
        (Matrix(ALL_IDS, ALL_IDS), "everything"),
        (FREE, "everything but domains 0x04 (4), 0x47 (71)"),
        (Matrix(~IdSet([5]), ~IdSet([4])), "everything but adapter 0x05 (5) and domain 0x04 (4)"),
        (Matrix(NO_IDS, ALL_IDS), "empty: the host's drivers have no queue"),
    ],
)
def test_a_pool_is_told_by_what_it_lacks(pool: Matrix, text: str) -> None:
    """Which is the shorter thing to say."""
    assert pool_text(pool) == text


def test_matrices_and_configurations_in_one_line() -> None:
    """Control domains only where they are others than the usage domains."""
    assert sees_text(EMPTY_MATRIX) == sees_text(matrix([5], [])) == "nothing"
    assert sees_text(matrix([5, 6], [4])) == "adapters 0x05-0x06 (5-6) × domain 0x04 (4)"
    assert config_text(ONE) == "adapter 0x05 (5), domain 0x04 (4)"
    assert config_text(config([5], [4], [])) == "adapter 0x05 (5), domain 0x04 (4), control domains none"


# Outcome -------------------------------------------------------------------------------------------------------------


OUTCOMES = [
    (Outcome(Result.NOTHING), "Nothing to do: the host is as the manifests say.\n"),
    (
        Outcome(Result.APPLIED, 3, notes=("guest 'a' sees less.",)),
        "Applied and verified: 3 kernel writes.\n  note:    guest 'a' sees less.\n",
    ),
    (
        Outcome(Result.ROLLED_BACK, 1, 2, "step 2 failed", 2),
        (
            "Not applied; everything is as it was before (1 kernel write, 2 writes to roll it back).\n"
            "  because: step 2 failed\n"
            "  next:    remove the cause, then run the same command again\n"
        ),
    ),
    (
        Outcome(Result.DEGRADED, 1, 2, "step 2 failed", 2, ("apmask is other",), ("EBUSY",)),
        (
            "DEGRADED: not applied, and not everything could be rolled back.\n"
            "  because: step 2 failed\n"
            "  left:    apmask is other\n"
            "  refused: EBUSY\n"
            "  next:    reconcile status    # shows who holds what\n"
            "  next:    reconcile apply    # tries again\n"
        ),
    ),
]


@pytest.mark.parametrize(("outcome", "text"), OUTCOMES)
def test_an_outcome_is_divided_at_the_width_of_the_page(outcome: Outcome, text: str) -> None:
    """But for commands, which a remark stands above where both are too wide."""
    lines = outcome_text(outcome, width=60).splitlines()

    assert max(map(len, lines)) <= 60
    assert sorted(" ".join(lines).split()) == sorted(text.split())


@pytest.mark.parametrize(("outcome", "text"), OUTCOMES)
def test_an_outcome_says_what_happened_and_what_comes_next(outcome: Outcome, text: str) -> None:
    """For people as text, for programs with the plan."""
    assert outcome_text(outcome) == text
    record = json.loads(outcome_json(outcome, busy_plan()))
    assert record["result"] == outcome.result.value
    assert record["failedStep"] == (outcome.failed_step or None)
    assert record["plan"]["host"] == "lpar7"


def test_a_kept_queue_is_shown_with_its_problem_in_every_form() -> None:
    """What forbids a plan is in the status of programs, too."""
    made = make_plan(desired([guest("a", ONE, 1)], keep=(Keep(matrix([5], [4]), 0),)), observe(host()))

    assert [one["id"] for one in status_record(status_of(made))["problems"]] == ["kept-queue"]


# Length --------------------------------------------------------------------------------------------------------------


def many(guests: int, **fields: object) -> Plan:
    """A plan that makes so many guests."""
    wanted = [guest(f"g{number:03}", config([number % 200], [number // 200]), number) for number in range(guests)]
    made = make_plan(desired(wanted, GivenUp(NO_IDS, IdSet(range(100)))), observe(SimulatedHost()))
    return made._replace(**fields)  # type: ignore[arg-type]


FILES = tuple(FileChange(f"etc/mdevctl.d/matrix/{number}", None, b"{}", f"g{number:03}") for number in range(500))
CONSENTS = tuple(Consent(f"g{number:03}", "its VM runs and loses queues") for number in range(500))


@pytest.mark.parametrize("guests", [0, 1, 6, 7, 8, 20, 500])
@pytest.mark.parametrize("others", [{}, {"files": FILES, "consents": CONSENTS, "notes": ("it is large",) * 2}])
def test_a_plan_of_any_size_has_sixty_lines_and_counts_the_rest(guests: int, others: dict[str, object]) -> None:
    """Every section shows its first items, says how many more there are, and where all of them are shown."""
    made = many(guests, **others)

    text = plan_text(made, whole="reconcile plan -o wide")

    whole = plan_text(made, most=None)
    assert len(text.splitlines()) <= 60
    assert text == whole or text.endswith(
        f"  next: reconcile plan -o wide    # shows all of it\n\n{whole.splitlines()[-1]}\n"
    )
    for noun, total, shown in (
        ("file", len(made.files), text.count("is written")),
        ("consent", len(made.consents), text.count("its VM runs and loses queues")),
    ):
        rest = re.search(rf"  … and ([\d,]+) more {noun}s?\n", text)
        assert (int(rest[1]) if rest else 0) + shown == total
    if guests == 500:
        rest = re.search(r"  … and (\d+) more holders\n", text)
        assert rest
        assert int(rest[1]) + text.count("  + guest") + text.count("  ~ host pool") == 501


def test_a_plan_in_full_has_every_guest_and_step() -> None:
    """As it is asked for with ``-o wide``."""
    text = plan_text(many(500), most=None)

    assert text.count("  + guest g") == 500
    assert "  1001. g499: " in text
    assert "more" not in text


def test_guests_that_wait_for_hardware_are_counted() -> None:
    """Where nothing is to do, but many do not see all that they have."""
    wanted = [guest(f"g{number:03}", config([150], [number % 200]), number) for number in range(200)]
    held = {one.uuid: one.config for one in wanted}
    pool = Matrix(~IdSet([150]), ALL_IDS)
    made = make_plan(
        desired(wanted, GivenUp(IdSet([150]), NO_IDS)), observe(host_holding(Holdings(pool, held), PROFILES["6.12"]))
    )

    lines = plan_text(made).splitlines()

    assert len(lines) <= 60
    assert lines[-1] == "Nothing to do: the host is as the manifests say."
    assert re.fullmatch(r"  … and \d+ more guests", lines[-3])


def test_one_holder_with_much_to_say_leaves_room_for_others() -> None:
    """Of an item with very many lines the first ones are shown."""
    sections = [Section("guest", 3, [["a"] * 100, ["b"], ["c"]]), Section("step", 100, (["s"] for _ in range(100)))]

    lines, is_cut = fitted(sections, 40)

    assert is_cut
    assert len(lines) <= 40
    assert "      … and 93 more lines" in lines
    assert "b" in lines
    assert "c" in lines
