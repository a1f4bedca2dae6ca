"""Manifests that are written are read back as the same."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.manifests.site import read_site
from reconciler.manifests.writing import guest_document, host_document, manifests_text
from reconciler.model.desired import Activation, GivenUp
from reconciler.model.ids import ALL_IDS, NO_IDS, IdSet
from reconciler.model.matrix import EMPTY_CONFIG, ApConfig
from testing.holdings import config, uuid

IDS = st.integers(0, (1 << 256) - 1).map(IdSet.from_bits)
SOME_IDS = st.integers(1, (1 << 256) - 1).map(IdSet.from_bits)
NAMES = st.from_regex(r"\A[a-z0-9](?:[a-z0-9.-]{0,5}[a-z0-9])?\Z") | st.sampled_from(
    ["true", "null", "no", "on", "1e3", "0x10", "12", "1.5", "2001-01-01", "e1"]
)
NOTES = st.lists(st.text(), max_size=2)


@example(
    names=("a", "null"),
    given_up=GivenUp(IdSet([5]), IdSet([4])),
    what=config([5], [4], [4, 6]),
    activation=Activation.ACTIVE,
    notes=["why"],
)
@given(
    names=st.tuples(NAMES, NAMES),
    given_up=st.builds(GivenUp, IDS, IDS),
    what=st.builds(ApConfig, SOME_IDS, SOME_IDS, IDS),
    activation=st.sampled_from(Activation),
    notes=NOTES,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(
    tmp_path: Path,
    names: tuple[str, str],
    given_up: GivenUp,
    what: ApConfig,
    activation: Activation,
    notes: list[str],
) -> None:
    """Whatever names, ids and notes there are, and without a warning."""
    host, guest = names
    documents = [host_document(host, given_up, notes), guest_document(guest, host, uuid(1), what, activation, notes)]
    file = tmp_path / "site.yaml"
    file.write_text(manifests_text(documents, notes), encoding="utf-8")

    site = read_site([file])

    assert () == site.problems
    assert [(host, given_up)] == [(one.name, one.given_up) for one in site.hosts]
    assert [(guest, host, uuid(1), what, activation)] == [
        (one.name, one.host, one.uuid, one.config, one.activation) for one in site.guests
    ]


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_guest_of_several_hosts_is_read_back(tmp_path: Path, hosts: list[str], guest: str) -> None:
    """With all of them, in the order in which they are written."""
    documents = [host_document(host, GivenUp(IdSet(), IdSet())) for host in hosts]
    documents.append(guest_document(guest, hosts, uuid(1), config([5], [4]), Activation.ACTIVE))
    file = tmp_path / "site.yaml"
    file.write_text(manifests_text(documents), encoding="utf-8")

    site = read_site([file])

    assert () == site.problems
    assert [(guest, host, tuple(hosts), uuid(1)) for host in hosts] == [
        (one.name, one.host, one.hosts, one.uuid) for one in site.guests
    ]


def test_ids_are_few_ranges_in_hex() -> None:
    """And what need not be said is left out."""
    assert (
        guest_document("web", "lpar7", uuid(1), config([5, 6, 7, 10], [0xAB]), Activation.ON_DEMAND, ["By hand."])
        == f"""\
# By hand.
apiVersion: reconciler/v1
kind: Guest
metadata:
  name: web
spec:
  host: lpar7
  uuid: {uuid(1)}
  adapters: [0x05-0x07, 0x0a]
  domains: [0xab]
  activation: on-demand
"""
    )


def test_a_host_that_gives_up_nothing_says_so() -> None:
    """So that nothing is derived."""
    assert host_document("lpar7", GivenUp(NO_IDS, NO_IDS)).endswith("  pool: {}\n")
    assert host_document("lpar7", GivenUp(NO_IDS, ALL_IDS)).endswith("  pool:\n    domains: [0x00-0xff]\n")


def test_control_domains_stand_where_they_differ() -> None:
    """Also where there are none."""
    written = guest_document("web", "lpar7", uuid(1), config([5], [4], []), Activation.ACTIVE)
    assert "  controlDomains: []\n" in written


def test_a_device_without_a_queue_has_empty_lists() -> None:
    """Control domains are as many as usage domains."""
    written = guest_document("web", "lpar7", uuid(1), EMPTY_CONFIG, Activation.ACTIVE)

    assert "  adapters: []\n  domains: []\n  activation: active\n" in written
