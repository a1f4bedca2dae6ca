"""Reports on machines: each queue is shown as its LPARs stand, counted by brute force."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import ApConfig
from reconciler.model.problems import Position
from reconciler.picture.cells import PICTURES, Picture, State
from reconciler.picture.html import held
from reconciler.render.machine_reports import machine_report
from reconciler.render.redaction import AsTheyAre, Tokens

_IDS = st.sets(st.integers(0, 255), max_size=5).map(IdSet)


@st.composite
def _lpars(draw: st.DrawFn) -> DesiredLpar:
    used = draw(_IDS)
    name, is_active = draw(st.sampled_from(["LPAR7", "LPAR8", "zos", "Web / 1"])), draw(st.booleans())
    return DesiredLpar(name, "", ApConfig(draw(_IDS), used, used), is_active)


def machine(*lpars: DesiredLpar) -> DesiredMachine:
    """A machine with `lpars`."""
    position = Position("site.yaml", 1, 1)
    return DesiredMachine("cpc-a", "IBM-3931-00000000000829E7", MachineMode.CLASSIC, None, lpars, (), position)


def cells(picture: Picture) -> dict[tuple[int, int], tuple[State, list[str]]]:
    """What the picture shows of each adapter and domain: the state, and who has it."""
    found = {}
    for row in picture.rows:
        for run in row.runs:
            names = [picture.holders[one].name for one in (run.shown.holder, *run.shown.others) if one is not None]
            for domain in picture.domains_of(run):
                found[row.band.first, domain] = run.shown.state, names
    return found


@settings(max_examples=50)
@given(st.lists(_lpars(), max_size=4, unique_by=lambda one: one.name))
def test_each_queue_is_shown_as_its_lpars_stand(lpars: list[DesiredLpar]) -> None:
    """A conflict is what two active LPARs have, and nothing else is; the counts are those of the cells."""
    (picture,) = machine_report(machine(*lpars), [], AsTheyAre()).pictures
    shown = cells(picture)

    adapters = {one for lpar in lpars for one in lpar.config.adapters}
    domains = {one for lpar in lpars for one in lpar.config.domains}
    assert shown.keys() == set(product(adapters, domains))
    for (adapter, domain), (state, names) in shown.items():
        having = [one for one in lpars if adapter in one.config.adapters and domain in one.config.domains]
        active = [one.name for one in having if one.is_active]
        if len(active) > 1:
            assert (state, sorted(names)) == (State.CONFLICT, sorted(active))
        else:
            assert sorted(names) == sorted(one.name for one in having)
            assert names[:1] == active or not active
            assert state is (State.HELD if active else State.STANDBY if having else State.FREE)
    assert sum(picture.counts.values()) == len(shown)
    assert PICTURES.read(Picture, PICTURES.plain(picture)) == picture


def test_a_redacted_report_has_no_name() -> None:
    """Neither of the machine, nor of an LPAR, a host or the original of a standby; initials are those of the tokens."""
    config = ApConfig(IdSet([5]), IdSet([4]), IdSet([4]))
    original = DesiredLpar("SECRET7", "secrethost", config)
    standby = DesiredLpar("SECRETDR", "secrethost", config, is_active=False, standby_of=LparName("cpc-a", "SECRET7"))

    report = machine_report(machine(original, standby), [], Tokens("", b"0123456789abcdef"))

    for secret in ("SECRET", "secret", "cpc-a", "829E7", "sec"):
        assert secret not in str(report)
    tokens = [row[0] for row in report.parts[0].rows]  # type: ignore[union-attr]
    assert report.parts[0].rows[1][1] == f"inactive, standby of {tokens[0]}"  # type: ignore[union-attr]
    assert next(held(report.pictures[0])).others == (tokens[1],)
