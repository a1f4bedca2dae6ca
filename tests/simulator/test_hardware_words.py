import pytest

from reconciler.model.ids import IdSet
from reconciler.simulator.description import request_of
from reconciler.simulator.hardware import Card, HardwareError, Mode, Plug, Request, Restore, SetCard, SetDomains, Unplug


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
