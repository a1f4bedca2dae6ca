"""The order of files and documents, comments and the spelling of numbers change nothing, not even the digest."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.site import read_site
from reconciler.model.desired import Desired
from reconciler.model.problems import Position
from testing.manifests import guest_text, host_text

DOCUMENTS = (
    host_text(pool="{domains: [4, 0x47, 1-3]}", keep="[{adapters: [0], domains: [0]}, {adapters: [1], domains: [1]}]"),
    guest_text("a", adapters="[5, 6]", domains="[0x47]"),
    guest_text("b", queues='["07.0004", "07.0005"]', activation="on-demand"),
    guest_text("c\n  labels: {x: y, a: b}", presence="required"),
)
RESPELLED = (
    host_text(
        pool="{domains: [1, 2, 3, 4, 71]}", keep="[{adapters: [1], domains: [1]}, {adapters: [0], domains: [0]}]"
    ),
    "# a comment\n" + guest_text("a", host="lpar7", adapters="[0x5-0x6]", domains='["71"]', activation="active"),
    guest_text("b", adapters="[7]", domains="[5, 4]", controlDomains="[4-5]", activation="on-demand"),
    guest_text("c\n  labels: {a: b, x: 'y'}", presence="required", disruption="refuse"),
)
OTHER = (
    *(host_text(pool=pool) for pool in ("", "{}", "{domains: [4]}", "{adapters: [4]}")),
    host_text(unmanaged="remove"),
    host_text(keep="[{adapters: [0], domains: [0]}]"),
)
OTHER_GUESTS = (
    guest_text("a"),
    guest_text("b"),
    guest_text("a", adapters="[6]"),
    guest_text("a", domains="[6]"),
    guest_text("a", controlDomains="[6]"),
    guest_text("a", activation="inactive"),
    guest_text("a", presence="required"),
    guest_text("a", disruption="allow"),
    guest_text("a", uuid="62177883-f1bb-47f0-914d-32a22e3a8804"),
    guest_text("a\n  labels: {a: b}"),
)


def desired(files: list[str]) -> Desired:
    """What is wanted where each of `files` is the text of one file."""
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(files):
            (Path(folder) / f"{number}.yaml").write_text(text)
        found = read_site([folder]).desired(None, "")
    assert isinstance(found, Desired)
    return found


def meaning(found: Desired) -> tuple[object, ...]:
    """All of `found` that does not depend on where it is written."""
    nowhere = Position("", 0, 0)
    host = found.host._replace(position=nowhere, keep=())
    keep = {entry.matrix for entry in found.host.keep}
    return host, keep, tuple(guest._replace(position=nowhere, queues_listed=False) for guest in found.guests)


WANTED = desired(["---\n".join(DOCUMENTS)])


@given(st.permutations(range(4)), st.lists(st.booleans(), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4))
def test_order_and_spelling_change_nothing(order: list[int], respell: list[bool], divide: list[bool]) -> None:
    """Documents in any order, spelling and division into files mean the same, to the digest."""
    texts = [(RESPELLED if respell[number] else DOCUMENTS)[number] for number in order]
    files = [""]
    for text, own_file in zip(texts, divide, strict=False):
        if own_file:
            files.append(text)
        else:
            files[-1] += f"---\n{text}"
    found = desired(files)

    assert found.digest == WANTED.digest
    assert meaning(found)[1:] == meaning(WANTED)[1:]


def test_every_difference_in_meaning_changes_the_digest() -> None:
    """No two of these sites mean the same."""
    sites = [[host] for host in OTHER] + [[OTHER[0], guest] for guest in OTHER_GUESTS]
    digests = {desired(site).digest for site in sites}

    assert len(digests) == len(sites)
    assert all(len(digest) == 64 for digest in digests)
