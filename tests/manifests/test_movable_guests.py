"""Guests with ``spec.hosts``: one document, the same device on each of its hosts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.documents import derived_uuid, digest_of
from reconciler.manifests.site import Site, read_site
from reconciler.model.desired import Desired
from testing.manifests import HOST, guest_text, host_text, marked, only_problem, site_of

HOSTS: Final = (HOST, host_text("lpar8"), host_text("lpar9"))
UUID: Final = "62177883-f1bb-47f0-914d-32a22e3a8804"


def wanted(site: Site, host: str) -> Desired:
    """What `site` wants of `host`."""
    found = site.desired(host, "")
    assert isinstance(found, Desired), found
    return found


def guests_on(site: Site, host: str) -> dict[str, str]:
    """The guests of `host`, and their uuids."""
    return {one.name: one.uuid for one in wanted(site, host).guests}


def test_a_guest_with_hosts_is_on_each_of_them_with_one_uuid(tmp_path: Path) -> None:
    """On a host that is not named it is not."""
    site = site_of(tmp_path, *HOSTS, guest_text("m", hosts="[lpar8, lpar7]"), guest_text("a", host="lpar9"))
    uuid = derived_uuid("", "m")

    assert [guests_on(site, host) for host in ("lpar7", "lpar8")] == [{"m": uuid}, {"m": uuid}]
    assert list(guests_on(site, "lpar9")) == ["a"]
    assert (len(site.guests), site.guest_count) == (3, 2)
    (guest,) = wanted(site, "lpar7").guests
    assert (guest.host, guest.hosts, guest.uuid_written) == ("lpar7", ("lpar8", "lpar7"), False)


def test_a_written_uuid_is_that_of_the_device_on_every_host(tmp_path: Path) -> None:
    """In lower case, as for every guest."""
    site = site_of(tmp_path, *HOSTS, guest_text("m", hosts="[lpar7, lpar9]", uuid=UUID.upper()))

    assert [guests_on(site, host) for host in ("lpar7", "lpar8", "lpar9")] == [{"m": UUID}, {}, {"m": UUID}]
    assert all(one.uuid_written for one in wanted(site, "lpar7").guests)


def test_a_derived_uuid_does_not_depend_on_the_hosts(tmp_path: Path) -> None:
    """A host more, or another order, and the device stays; no guest of one host has that uuid."""
    uuids = set()
    for hosts in ("[lpar7]", "[lpar7, lpar8]", "[lpar9, lpar7, lpar8]"):
        uuids |= set(guests_on(site_of(tmp_path, *HOSTS, guest_text("m", hosts=hosts)), "lpar7").values())

    assert uuids == {derived_uuid("", "m")}
    assert derived_uuid("", "m") not in {derived_uuid(host, "m") for host in ("lpar7", "lpar8", "lpar9")}


def test_the_hosts_are_no_part_of_what_one_host_is_to_be(tmp_path: Path) -> None:
    """With the same uuid, ``hosts: [lpar7]`` wants of lpar7 what ``host: lpar7`` does; another uuid is another wish."""
    spellings: tuple[dict[str, str], ...] = ({"host": "lpar7"}, {"hosts": "[lpar7]"}, {"hosts": "[lpar8, lpar7]"}, {})
    digests = [
        wanted(site_of(tmp_path, *(HOSTS if one else [HOST]), guest_text("m", uuid=UUID, **one)), "lpar7").digest
        for one in spellings
    ]

    assert len(set(digests)) == 1
    assert wanted(site_of(tmp_path, *HOSTS, guest_text("m", hosts="[lpar7]")), "lpar7").digest not in digests


@pytest.mark.parametrize("hosts", ["[lpar7, lpar77]", "\n    - lpar7\n    - lpar77"])
def test_an_unknown_host_is_shown_at_its_entry(tmp_path: Path, hosts: str) -> None:
    """With the one that was probably meant."""
    problem = only_problem(site_of(tmp_path, *HOSTS, guest_text("m", hosts=hosts)))

    assert problem.id == "unknown-host"
    assert marked(problem) == "lpar77"
    assert "Did you mean 'lpar7'?" in problem.help


def test_each_unknown_host_is_a_problem(tmp_path: Path) -> None:
    """The others are counted where there are too many to be shown."""
    hosts = ", ".join(f"x{number}" for number in range(60))
    site = site_of(tmp_path, HOST, *(guest_text(f"m{number}", hosts=f"[{hosts}, lpar7]") for number in range(5)))

    assert [one.id for one in site.problems] == ["unknown-host"] * 200 + ["more-problems"]
    assert site.problems[-1].stands_for == 100


def test_a_host_in_a_document_that_cannot_be_read_is_not_missing(tmp_path: Path) -> None:
    """Nothing is concluded from what is reported anyway."""
    foreign = "apiVersion: v2\nkind: Host\nmetadata: {name: other}\n"

    assert only_problem(site_of(tmp_path, HOST, foreign, guest_text("m", hosts="[other, lpar7]"))).id == (
        "unknown-api-version"
    )


def test_without_any_host_the_first_one_is_the_host_to_describe(tmp_path: Path) -> None:
    """As where a guest names one."""
    problem = only_problem(site_of(tmp_path, guest_text("m", hosts="[lpar9, lpar8]")))

    assert problem.id == "no-host"
    assert problem.help.endswith("name: lpar8")


@pytest.mark.parametrize(
    "other",
    [
        guest_text("m", host="lpar9"),
        guest_text("m", host="lpar7"),
        guest_text("m", hosts="[lpar9]"),
        guest_text("m", hosts="[lpar8, lpar7]"),
        guest_text("m", host="lpar9", uuid=UUID),
    ],
)
@pytest.mark.parametrize("comes_first", [True, False])
def test_no_other_guest_may_have_its_name(tmp_path: Path, other: str, *, comes_first: bool) -> None:
    """On whatever host; one problem with both places, and why."""
    pair = [guest_text("m", hosts="[lpar7, lpar8]"), other]
    problem = only_problem(site_of(tmp_path, *HOSTS, *(pair if comes_first else pair[::-1])))

    assert problem.id == "duplicate-guest"
    assert [(marked(problem, index), place.label) for index, place in enumerate(problem.places)] == [
        ("m", ""),
        ("m", "first described here"),
    ]
    assert problem.places[0].position > problem.places[1].position
    assert "spec.hosts may run on each of them" in problem.help


def test_each_guest_of_its_name_is_a_problem(tmp_path: Path) -> None:
    """Those of one host among each other as ever."""
    others = [guest_text("m", host=host) for host in ("lpar7", "lpar8", "lpar8")]
    site = site_of(tmp_path, *HOSTS, others[0], guest_text("m", hosts="[lpar9]"), *others[1:])

    assert [one.id for one in site.problems] == ["duplicate-guest"] * 4
    assert ["spec.hosts" in one.message for one in site.problems].count(False) == 1


def test_where_no_guest_of_a_name_has_hosts_it_may_be_on_several(tmp_path: Path) -> None:
    """A guest with hosts of another name changes nothing about that."""
    guests = [guest_text("a", host=host, uuid=UUID) for host in ("lpar7", "lpar8")]

    assert not site_of(tmp_path, *HOSTS, *guests, guest_text("m", hosts="[lpar7, lpar8]", domains="[9]")).problems


@pytest.mark.parametrize("host", ["lpar7", "lpar9"])
def test_its_uuid_is_no_other_guests_on_any_host(tmp_path: Path, host: str) -> None:
    """A written one, and one that it derives."""
    taken = (UUID, derived_uuid("", "m"))
    for uuid, spec in zip(taken, ({"uuid": UUID}, {}), strict=True):
        site = site_of(
            tmp_path,
            *HOSTS,
            guest_text("m", hosts="[lpar7, lpar8]", **spec),
            guest_text("other", host=host, uuid=uuid),
        )
        problem = only_problem(site)
        assert problem.id == "duplicate-uuid"
        assert "'m' and 'other' have the same uuid" in problem.message
        assert marked(problem) == uuid


PLACES: Final = st.sampled_from([("lpar7",), ("lpar8",), ("lpar9",), ("lpar7", "lpar8"), ("lpar9", "lpar8", "lpar7")])


def site_with(files: Sequence[str]) -> Site:
    """What is read where each of `files` is the text of one file."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(files):
            (Path(folder) / f"{number}.yaml").write_text(text)
        return read_site([folder])


@given(st.dictionaries(st.sampled_from("abcdef"), PLACES, max_size=6), st.randoms())
def test_what_a_host_is_to_be_depends_on_its_own_guests_only(
    guests: dict[str, tuple[str, ...]], random: Random
) -> None:
    """Neither the order of files, nor guests of other hosts, nor which other hosts a guest has."""
    texts = {
        name: guest_text(name, hosts=f"[{', '.join(places)}]", domains=f"[{4 + number}]")
        for number, (name, places) in enumerate(guests.items())
    }
    shuffled = [*HOSTS, *texts.values()]
    random.shuffle(shuffled)
    site = site_with(shuffled)

    assert not site.problems
    for host, text in zip(("lpar7", "lpar8", "lpar9"), HOSTS, strict=True):
        here = [name for name, places in guests.items() if host in places]
        alone = [texts[name].replace(f"[{', '.join(guests[name])}]", f"[{host}]", 1) for name in here]
        found, of_its_own = wanted(site, host), wanted(site_with([text, *alone]), host)
        assert [one.name for one in found.guests] == sorted(here)
        assert found.digest == of_its_own.digest == digest_of(found.host, found.guests)
