from itertools import product
from pathlib import Path
from typing import Final

import pytest

from reconciler.kernel.observe import observe
from reconciler.model.ids import IdSet
from reconciler.simulator.hardware import Card, HardwareError, Mode, Plug, Request, Restore, SetCard, SetDomains, Unplug
from reconciler.simulator.host import SimulatedHost
from reconciler.simulator.requests import FORMS, Form, carry_out, help_lines, request_of


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("plug 9", Plug(9, Card())),
        ("plug 0x10 type=CEX8 mode=ep11 configured=false", Plug(16, Card(14, Mode.EP11, configured=False))),
        ("unplug 9", Unplug(9)),
        ("set 9 configured=false checkstopped=true", SetCard(9, configured=False, checkstopped=True)),
        ("domains usage=4,0x10-0x12 control=", SetDomains(IdSet([4, 16, 17, 18]), IdSet())),
        ("domains control=4", SetDomains(control=IdSet([4]))),
        ("restore", Restore()),
    ],
)
def test_people_type_requests(words: str, request_: Request) -> None:
    """Every form of a request can be written as words."""
    assert request_ == request_of(words.split())


@pytest.mark.parametrize(
    "words", ["", "plug", "plug 300", "plug 09", "plug 9 colour=red", "plug 9 ep11", "set 9", "domains", "restore all"]
)
def test_what_means_nothing_is_refused(words: str) -> None:
    """Unknown words, missing parts and numbers with a leading zero."""
    with pytest.raises(HardwareError):
        request_of(words.split())


PAGE: Final = Path(__file__).parents[2] / "docs/simulated-host.md"
UUID: Final = "00000000-0000-4000-8000-00000000000a"
_ARGUMENTS: Final = {"ADAPTER": "9", "GUEST": UUID}


def sentences(form: Form) -> list[list[str]]:
    """Requests of this form: without options, and with each value of each."""
    needed = [_ARGUMENTS[word] for word in form.arguments.split() if word in _ARGUMENTS]
    given = [f"{name}={value}" for name, values in form.fields.items() for value in values or ["4,5"]]
    bare = [] if form.verb in ("set", "domains") else [[form.verb, *needed]]
    return [*bare, *([form.verb, *needed, one] for one in given)]


def host_with_device() -> SimulatedHost:
    """One with the card and the device that `sentences` speak of."""
    host = SimulatedHost()
    host.change_hardware(Plug(9, Card()))
    host.write("devices/vfio_ap/matrix/mdev_supported_types/vfio_ap-passthrough/create", UUID)
    return host


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.verb)
def test_what_the_help_names_is_understood(form: Form) -> None:
    """Every form, with each value that it names; ``reset`` is for whoever keeps the state."""
    for words in sentences(form):
        host = host_with_device()
        if form.verb == "stop":
            host.start_vm(UUID)
        if form.verb == "plug" and "replace=true" not in words:
            host.change_hardware(Unplug(9))
        if form.verb != "reset":
            carry_out(host, words)


def test_help_messages_and_the_page_have_the_same_requests() -> None:
    """They come from one table, and the page names each of it."""
    shown = list(help_lines())
    rows = [line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    on_page = {word.strip("`,").split()[0] for row in rows for word in row.split("`")[1::2]}

    assert [form.verb for form in FORMS] == [line.split()[0] for line in shown if not line.startswith(" ")]
    assert {form.verb for form in FORMS} <= on_page
    assert all(len(line) <= 76 for line in shown)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("plgu 9", "unknown request 'plgu 9'; did you mean 'plug'? Write: " + str(FORMS[1])),
        ("tea", f"unknown request 'tea'; there are: {', '.join(form.verb for form in FORMS)}"),
        (
            "set 9",
            "cannot understand 'set 9'; write: set ADAPTER [configured=true|false] [checkstopped=true|false]",
        ),
        ("load all", "cannot understand 'load all'; write: load"),
        ("domains use=4", "unknown option 'use=4'; write: domains [usage=4,5,0x10-0x12] [control=4,5]"),
    ],
)
def test_a_request_that_is_not_understood_is_answered_with_what_is(words: str, message: str) -> None:
    """The form of that request; where it is unknown, the nearest one or all."""
    with pytest.raises(HardwareError) as refused:
        carry_out(SimulatedHost(), words.split())

    assert message == str(refused.value)


@pytest.mark.parametrize(("configured", "card"), list(product(["true", "false"], [5, 6])))
def test_a_card_that_is_there_is_replaced_only_where_that_is_asked_for(configured: str, card: int) -> None:
    """The message says what is there and what can be done; nothing has changed."""
    host = SimulatedHost()
    before = host.hardware

    for said in ((), ("replace=false",)):
        with pytest.raises(HardwareError, match=rf"there is a card {card} already, a CEX7 in mode .*'unplug {card}'"):
            carry_out(host, ("plug", str(card), "type=CEX8", f"configured={configured}", *said))
        assert before == host.hardware
    carry_out(host, ("plug", str(card), "type=CEX8", f"configured={configured}", "replace=true"))

    assert Card(14, configured=configured == "true") == host.hardware.cards[card]


@pytest.mark.parametrize(
    ("done", "words", "why"),
    [
        (["start"], ["start"], f"{UUID}: a VM has its device open already"),
        ([], ["stop"], f"{UUID}: no VM has its device open"),
        (["start"], ["unload"], "vfio_ap stays loaded while a VM has a device open: stop the VM first"),
    ],
)
def test_what_the_host_cannot_do_is_said_in_words(done: list[str], words: list[str], why: str) -> None:
    """No error number, and nothing has changed."""
    host = host_with_device()
    for verb in done:
        carry_out(host, (verb, UUID))
    before = observe(host)

    with pytest.raises(HardwareError) as refused:
        carry_out(host, words if words == ["unload"] else (*words, UUID))

    assert why == str(refused.value)
    assert before == observe(host)
