"""The kernel's text forms: vectors that were calculated by hand, and round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kernel.text_forms import (
    UnknownText,
    ap_config_text,
    control_domains_text,
    mask_text,
    matrix_text,
    parse_ap_config,
    parse_control_domains,
    parse_mask,
    parse_matrix,
    parse_queue,
)
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, EMPTY_MATRIX, ApConfig, Matrix, Queue
from testing.holdings import config, matrix

ID_SETS = st.sets(st.integers(0, 255)).map(IdSet)
FEW = st.sets(st.integers(0, 255), max_size=6).map(IdSet)

VECTORS = [
    (NO_IDS, "0" * 64),
    (ALL_IDS, "f" * 64),
    (IdSet([0]), "8" + "0" * 63),
    (IdSet([255]), "0" * 63 + "1"),
    (IdSet([4]), "08" + "0" * 62),
    (IdSet([0, 3]), "9" + "0" * 63),
    (IdSet([1, 7]), "41" + "0" * 62),
    (IdSet([5, 6]), "06" + "0" * 62),
    (IdSet([0x47]), "0" * 17 + "1" + "0" * 46),
    (~IdSet([5, 6]), "f9" + "f" * 62),
]


@pytest.mark.parametrize(("ids", "digits"), VECTORS)
def test_a_mask_has_id_0_leftmost(ids: IdSet, digits: str) -> None:
    """Id n is in hex digit n div 4, with the value 8 >> (n mod 4)."""
    assert mask_text(ids) == f"0x{digits}"
    assert parse_mask(f"0x{digits}\n") == ids
    assert parse_mask(f"0x{digits}") == ids


@given(ID_SETS)
def test_a_mask_comes_back(ids: IdSet) -> None:
    """Every set of ids survives its mask."""
    assert parse_mask(mask_text(ids) + "\n") == ids


@pytest.mark.parametrize(
    "text",
    ["", "\n", "0x", "0x41", "41", "f" * 64, "0X" + "0" * 64, "0x" + "0" * 65, "0x" + "F" * 64, f"0x{'0' * 64}\n\n"],
)
def test_what_the_kernel_never_shows_as_a_mask_is_refused(text: str) -> None:
    """It accepts short and bare masks when written, but never shows one; a guess would be dangerous."""
    with pytest.raises(UnknownText):
        parse_mask(text)


@given(FEW, FEW)
def test_a_matrix_comes_back(adapters: IdSet, domains: IdSet) -> None:
    """Also one that is only half made; of two empty halves nothing is shown."""
    whole = Matrix(adapters, domains)

    assert parse_matrix(matrix_text(whole)) == whole


def test_a_matrix_is_a_line_for_each_queue() -> None:
    """Adapter in two hex digits, a dot, domain in four."""
    assert matrix_text(matrix([5, 0xAB], [4, 0x47])) == "05.0004\n05.0047\nab.0004\nab.0047\n"
    assert matrix_text(matrix([5, 6], [])) == "05.\n06.\n"
    assert matrix_text(matrix([], [0x47])) == ".0047\n"
    assert matrix_text(EMPTY_MATRIX) == ""
    assert parse_matrix("") == EMPTY_MATRIX


@pytest.mark.parametrize(
    "text",
    ["05.0004\n06.0047\n", "05.\n.0004\n", "05.0004\n05.00", "5.0004\n", "05.0100\n", "05.0004 \n", "05.00AB\n", ".\n"],
)
def test_a_matrix_that_is_no_product_or_was_cut_is_refused(text: str) -> None:
    """What the kernel has is a product; anything else was not read as it was shown."""
    with pytest.raises(UnknownText):
        parse_matrix(text)


@given(ID_SETS)
def test_control_domains_come_back(domains: IdSet) -> None:
    """A line of four hex digits each."""
    assert parse_control_domains(control_domains_text(domains)) == domains


@pytest.mark.parametrize("text", ["47\n", "0100\n", "00AB\n", "0x47\n", "05.0047\n"])
def test_what_is_no_control_domain_is_refused(text: str) -> None:
    """Four lower-case hex digits up to 00ff."""
    with pytest.raises(UnknownText):
        parse_control_domains(text)


@given(ID_SETS, ID_SETS, ID_SETS)
def test_a_configuration_comes_back(adapters: IdSet, domains: IdSet, control: IdSet) -> None:
    """Three full masks, 201 bytes with the newline."""
    text = ap_config_text(ApConfig(adapters, domains, control)) + "\n"

    assert len(text) == 201
    assert parse_ap_config(text) == ApConfig(adapters, domains, control)


def test_a_configuration_is_adapters_domains_control_domains() -> None:
    """In this order, commas between."""
    zeros = "0" * 62
    assert ap_config_text(config([5, 6], [4], [1, 7])) == f"0x06{zeros},0x08{zeros},0x41{zeros}"


@pytest.mark.parametrize("text", ["", ",,", "0x0,0x0,0x0", ap_config_text(EMPTY_CONFIG) + ",", mask_text(NO_IDS)])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    """The kernel takes short masks and a fourth field when written, but shows three full ones."""
    with pytest.raises(UnknownText):
        parse_ap_config(text)


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_queue_comes_back(adapter: int, domain: int) -> None:
    """As every tool writes it."""
    assert parse_queue(str(Queue(adapter, domain))) == Queue(adapter, domain)


@pytest.mark.parametrize("text", ["", "5.0047", "05.47", "05.0100", "05.0047\n", "0x05.0047", "AB.0047", "٠٥.٠٠٤٧"])
def test_what_is_no_queue_is_refused(text: str) -> None:
    """Lower-case hex, two digits, a dot, four digits, up to ff.00ff."""
    with pytest.raises(UnknownText):
        parse_queue(text)
