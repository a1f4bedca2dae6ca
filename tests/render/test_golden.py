"""Plan, diff, Markdown and matrix as they are shown at 80 and 120 columns, with and without colour, in whole files.

``REWRITE_GOLDEN=1 ./run tests tests/render/test_golden.py`` writes them anew; read what has changed before it is
committed.
"""

import re
from collections.abc import Callable
from typing import Final

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.desired import Activation, GivenUp, Keep
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import Matrix
from reconciler.model.steps import FileChange, Holdings
from reconciler.planning.grid import Grid, grid_of
from reconciler.planning.plan import Plan
from reconciler.planning.planner import Applied, make_plan
from reconciler.planning.status import status_of
from reconciler.render.diff_text import plan_diff
from reconciler.render.drift import drift_text
from reconciler.render.matrix_text import matrix_text
from reconciler.render.plan_text import plan_markdown, plan_text
from reconciler.render.table import Page
from reconciler.render.text import Paint, Painter, plain
from reconciler.simulator.kernel_profiles import PROFILES
from testing.golden import GOLDEN, assert_golden
from testing.holdings import config, desired, guest, hardware, host_holding, uuid

PLACE: Final = "plans"
FREE: Final = Matrix(ALL_IDS, ~IdSet(range(4, 12)))
GIVES_UP: Final = GivenUp(NO_IDS, IdSet(range(4, 13)))


def mixed_plan() -> Plan:
    """A plan that makes, changes and removes, interrupts a VM, and waits for hardware."""
    held = {
        uuid(1): config([5, 6], [4]),
        uuid(2): config([5], [5]),
        uuid(6): config([4], [10]),
        uuid(9): config([7], [6]),
    }
    host = host_holding(Holdings(FREE, held), PROFILES["6.12"], hardware(range(4, 8), range(16)))
    host.start_vm(uuid(1))
    ledger = config([4], [11])
    ours = Applied(
        FREE,
        {uuid(1): ("payments", held[uuid(1)]), uuid(2): ("retired", held[uuid(2)]), uuid(6): ("ledger", ledger)},
    )
    guests = [
        guest("payments", config([5], [4], [4, 6]), 1),
        guest("ledger", ledger, 6),
        guest("web", config([6, 200], [7, 8]), 3),
        guest("batch", config([4], [9]), 4, activation=Activation.ON_DEMAND),
        guest("night", config([4], [9, 8]), 5, activation=Activation.ON_DEMAND),
    ]
    made = make_plan(desired(guests, GIVES_UP), observe(host), ours)
    return made._replace(files=(FileChange("etc/udev/rules.d/41-ap.rules", b"old\nsame\n", b"same\nnew\n", "host"),))


def conflicting_plan() -> Plan:
    """A plan with guests that contend with each other and with the host."""
    host = host_holding(Holdings(FREE, {}), PROFILES["6.12"], hardware(range(4, 8), range(16)))
    guests = [
        guest("payments-of-the-head-office", config([5, 6], [4, 5, 6, 7, 8]), 1),
        guest("web", config([5], [4, 5, 6, 7, 8]), 2),
        guest("batch", config([7], [9]), 3),
    ]
    return make_plan(desired(guests, keep=(Keep(Matrix(IdSet([7]), IdSet([9])), 0),)), observe(host))


def large_plan(guests: int = 500, adapters: int = 16) -> Plan:
    """A plan for a full machine: so many guests with two queues each."""
    wanted = [
        guest(f"guest-{number:03}", config([2 * pair, 2 * pair + 1], [domain]), number)
        for number in range(guests)
        for domain, pair in [divmod(number, adapters // 2)]
    ]
    host = host_holding(Holdings(Matrix(ALL_IDS, ALL_IDS), {}), PROFILES["6.12"], hardware(range(adapters), range(85)))
    return make_plan(desired(wanted, GivenUp(NO_IDS, IdSet(range(64)))), observe(host))


def every_domain_plan() -> Plan:
    """A plan for a machine with every domain, and a guest on each other one of them."""
    wanted = [guest(f"g{number:02}", config([5], range(number, 256, 40)), number) for number in range(0, 40, 2)]
    host = host_holding(Holdings(Matrix(ALL_IDS, ALL_IDS), {}), PROFILES["6.12"], hardware([5, 6], range(256)))
    return make_plan(desired(wanted, GivenUp(IdSet([5]), NO_IDS)), observe(host))


def long_lists_plan() -> Plan:
    """A plan with more domains, longer names and more notes than a line has room for, and with consents."""
    names = ["payments-of-the-head-office-in-the-first-data-centre-primary-01", "web"]
    held = {uuid(1): config([5], [4, 6]), uuid(9): config([7], [6])}
    host = host_holding(Holdings(FREE, held), PROFILES["6.12"], hardware(range(4, 8), range(256)))
    host.start_vm(uuid(1))
    ours = Applied(FREE, {uuid(1): (names[0], held[uuid(1)])})
    guests = [
        guest(names[0], config([5, 6], range(7, 256, 4), range(4, 256, 5)), 1),
        guest(names[1], config([4, 200], range(6, 256, 4)), 2),
    ]
    made = make_plan(desired(guests, GivenUp(NO_IDS, IdSet(range(4, 256)))), observe(host), ours)
    return made._replace(files=(FileChange(f"etc/mdevctl.d/matrix/{uuid(1)}", b"", b"{}", names[0]),))


def drawn(plan: Plan, *names: str) -> Callable[[int, Paint], str]:
    """The matrix of `plan`, or of the guests with `names` alone."""
    grid = grid_of(plan)
    shown: Grid = grid.only([one.uuid for one in grid.holders if one.name in names]) if names else grid
    whole = "reconcile matrix -o wide"
    status = status_of(plan)
    return lambda width, paint: matrix_text(status, grid, shown, Page(width, paint), whole=whole)


TEXTS: Final[dict[str, Callable[[int, Paint], str]]] = {
    "plan": lambda width, paint: plan_text(mixed_plan(), Page(width, paint)),
    "plan-large": lambda width, paint: plan_text(large_plan(), Page(width, paint), whole="reconcile plan -o wide"),
    "plan-long-lists": lambda width, paint: plan_text(long_lists_plan(), Page(width, paint), most=None),
    "drift-long-lists": lambda width, paint: drift_text(long_lists_plan(), Page(width, paint)),
    "plan-diff": lambda _, paint: plan_diff(mixed_plan(), paint),
    "plan-markdown": lambda _, __: plan_markdown(mixed_plan()),
    "matrix": drawn(mixed_plan()),
    "matrix-conflict": drawn(conflicting_plan()),
    "matrix-of-two": drawn(mixed_plan(), "web", "payments"),
    "matrix-large": drawn(large_plan()),
    "matrix-every-domain": drawn(every_domain_plan()),
}


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", TEXTS)
def test_it_looks_as_it_did(name: str, width: int, *, colour: bool) -> None:
    """Byte for byte."""
    text = TEXTS[name](width, Painter() if colour else plain)

    assert_golden(f"{PLACE}/{name}-{width}{'-colour' if colour else ''}.txt", text)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", TEXTS)
def test_colour_only_adds(name: str, width: int) -> None:
    """Without its sequences the text is the same."""
    coloured = TEXTS[name](width, Painter())

    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == TEXTS[name](width, plain)


_PLANS: Final[dict[str, Callable[[Page], str]]] = {
    "mixed": lambda page: plan_text(mixed_plan(), page, most=None),
    "long lists": lambda page: plan_text(long_lists_plan(), page, most=None),
    "every domain": lambda page: plan_text(every_domain_plan(), page, most=None),
    "conflicting": lambda page: plan_text(conflicting_plan(), page, most=None),
    "drift": lambda page: drift_text(long_lists_plan(), page, most=None),
}


def _words_before_steps(text: str) -> list[str]:
    lines = text.splitlines()
    return [word for line in lines if not re.match(r"  next: | +# ", line) for word in line.split()]


@pytest.mark.parametrize("width", [76, 80, 120])
@pytest.mark.parametrize("name", _PLANS)
def test_a_plan_is_no_wider_than_its_page(name: str, width: int) -> None:
    """What does not fit continues on the next line, further right, and nothing of it is lost."""
    whole, fitted = _PLANS[name](Page()), _PLANS[name](Page(width))

    assert max(map(len, fitted.splitlines())) <= width
    # The remark on a command to run next moves below it.
    assert _words_before_steps(fitted) == _words_before_steps(whole)
    assert sorted(fitted.split()) == sorted(whole.split())
    assert not re.search(r"^ *\(\d", fitted, re.MULTILINE)
    assert _PLANS[name](Page(100_000)) == whole


@pytest.mark.parametrize("width", [80, 120])
def test_divided_lines_count(width: int) -> None:
    """However narrow the page, a plan has at most 60 lines by default."""
    for made in (every_domain_plan(), long_lists_plan(), large_plan()):
        assert len(plan_text(made, Page(width), whole="reconcile plan -o wide").splitlines()) <= 60


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("matrix")])
def test_a_matrix_is_no_wider_than_its_page(name: str, width: int) -> None:
    """So that no line of it is broken by a terminal, where the letters would stand below each other no longer."""
    lines = TEXTS[name](width, plain).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) <= 60


_COUNTS = re.compile(r"(\d[\d,]*) (?:held|of the host|free|pending|planned|leaving|on demand|in conflict)")


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("matrix")])
def test_the_counts_of_a_matrix_add_up_to_the_queues_that_are_present(name: str) -> None:
    """Those of queues that are not present are counted apart."""
    summary = " ".join(TEXTS[name](100_000, plain).splitlines()[-1:])
    total, _, counts = summary.removeprefix("On the whole host ").replace(" are ", " ").partition(" queues present: ")
    present, _, absent = counts.partition(". Not present: ")

    assert sum(int(one.replace(",", "")) for one in _COUNTS.findall(present)) == int(total.replace(",", ""))
    assert bool(absent) == (name in ("matrix", "matrix-of-two")), "200.0007 and 200.0008 are planned"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("matrix")])
def test_a_matrix_explains_the_signs_that_it_shows(name: str, width: int) -> None:
    """All of them and no other, also where only a part of it is shown."""
    lines = TEXTS[name](width, plain).splitlines()
    drawn = "".join(line[9:] for line in lines if re.match("  [0-9a-f]{2}(?:-[0-9a-f]{2})?  ", line))
    explained = {line[2] for line in lines if re.match(r"  [!?+>*·-]  [a-z]", line)}

    assert explained - {"!"} == set(re.findall("[?+>*·-]", drawn)), "a conflict is named wherever it is"
    assert any(line.startswith("  :  ") for line in lines) == any(
        ":" in line for line in lines if line[:7] == "adapter"
    )


def test_the_legend_of_a_matrix_writes_ids_as_all_texts_do() -> None:
    """In hex with 0x, and in decimal behind it."""
    assert ":  domains that no guest has or claims: 0x00-0x03 (0-3), 0x0c-0x0f (12-15)\n" in TEXTS["matrix"](80, plain)


def test_every_file_is_of_a_text() -> None:
    """None is left of what is not shown any more."""
    expected = {f"{name}-{width}{colour}.txt" for name in TEXTS for width in (80, 120) for colour in ("", "-colour")}

    assert {file.name for file in (GOLDEN / PLACE).iterdir()} == expected
