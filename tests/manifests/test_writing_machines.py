"""Machines as text: what is written is read back as the same."""

from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.manifests.writing import host_document, machine_document, manifests_text
from reconciler.model.desired import Persistence
from reconciler.model.ids import IdSet
from reconciler.model.machines import DesiredLpar, DesiredMachine, LparName, MachineMode
from reconciler.model.matrix import ApConfig
from reconciler.model.printable import first_unprintable
from reconciler.model.problems import Position
from testing.manifests import MACHINE_ID, texts_site

IDS = st.frozensets(st.integers(0, 255), max_size=4).map(IdSet)
NAMES = st.sampled_from(["LPAR7", "null", "a: b", '"', "\\n", "# x", "1e3", "0x10", "a b", "-", "YES"]) | st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=8
)


@st.composite
def machines(draw: st.DrawFn) -> DesiredMachine:
    """A machine with LPARs, each after the first perhaps a standby of it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold))
    lpars = []
    for number, name in enumerate(names):
        adapters, domains, control = draw(IDS), draw(IDS), draw(IDS)
        config = ApConfig(adapters, domains, draw(st.sampled_from([domains, domains | control])))
        standby = LparName("cpc-a", names[0]) if number and draw(st.booleans()) else None
        host = "" if standby else draw(st.sampled_from(["", "lpar7"])) if number == 0 else ""
        is_active = draw(st.booleans()) if standby is None else False
        lpars.append(DesiredLpar(name, host, config, is_active, standby, number))
    mode = draw(st.sampled_from(MachineMode))
    limit = draw(st.sampled_from([None, 255]))
    return DesiredMachine("cpc-a", MACHINE_ID, mode, limit, tuple(lpars), (), Position("", 1, 1))


def a_machine(mode: MachineMode = MachineMode.DPM, max_domain: int | None = 255) -> DesiredMachine:
    """With an LPAR that has a host, one that is not active, and a standby."""
    config = ApConfig(IdSet([1]), IdSet([2]), IdSet([2, 3]))
    lpars = (
        DesiredLpar("A", "lpar7", config, True, None, 0),
        DesiredLpar("B", "", config, False, None, 1),
        DesiredLpar("C", "", config, False, LparName("cpc-a", "A"), 2),
    )
    return DesiredMachine("cpc-a", MACHINE_ID, mode, max_domain, lpars, (), Position("", 1, 1))


@example(machine=a_machine(), notes=["why"])
@example(machine=a_machine(MachineMode.CLASSIC, None), notes=[])
@given(machine=machines(), notes=st.lists(st.text(), max_size=2))
def test_a_machine_is_read_back_as_it_was_written(machine: DesiredMachine, notes: list[str]) -> None:
    """Whatever its LPARs are called, and whatever the comments say."""
    text = machine_document(machine, notes, {0: notes})
    (found,) = texts_site(manifests_text([text, host_document("lpar7", None)], notes)).machines
    host = machine.lpars[0].host

    assert found._replace(position=machine.position) == machine._replace(
        lpars=tuple(one._replace(host=host) if one.standby_of else one for one in machine.lpars)
    )
    assert first_unprintable(text.replace("\n", "")) is None


def test_a_standby_leaves_out_what_it_has_from_its_original() -> None:
    """So that it follows it."""
    left_out = frozenset(("adapters", "usageDomains", "controlDomains"))
    config = ApConfig(IdSet(), IdSet(), IdSet())
    standby = DesiredLpar("DR", "", config, False, LparName("cpc-b", "LPAR7"), 0, left_out)
    machine = DesiredMachine("cpc-a", MACHINE_ID, MachineMode.CLASSIC, None, (standby,), (), Position("", 1, 1))

    assert '    - name: DR\n      standbyOf: "cpc-b/LPAR7"\n' == machine_document(machine).split("lpars:\n")[1]


def test_a_host_that_gives_up_what_its_guests_need_says_nothing_of_its_pool() -> None:
    """Nor anything at all where it has no persistence either; both are read back."""
    plain, kept = host_document("lpar7", None), host_document("lpar7", None, persistence=Persistence.SERVICE)

    assert "spec" not in plain
    assert kept.endswith("spec:\n  persistence: service\n")
    assert [(None, Persistence.NONE)] == [(one.given_up, one.persistence) for one in texts_site(plain).hosts]
    assert [(None, Persistence.SERVICE)] == [(one.given_up, one.persistence) for one in texts_site(kept).hosts]
