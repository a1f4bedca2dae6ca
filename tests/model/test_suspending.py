"""What the history shows of suspensions, and the ends of those whose time was over."""

from reconciler.model.suspending import SuspensionChange, SuspensionEvent, since, with_ends


def change(at: float | None, what: str, *guests: str, until: float | None = None) -> SuspensionChange:
    """What `kim` did to `guests`; without any, to the whole host."""
    return SuspensionChange(at, SuspensionEvent(what), guests, 0, "kim", "x", until)


def told(changes: list[SuspensionChange]) -> list[tuple[float | None, str, tuple[str, ...], str]]:
    """When, what, whose and who."""
    return [(one.at, one.what.value, one.guests, one.by) for one in changes]


def test_a_suspension_whose_time_was_over_has_an_end() -> None:
    """In its place among the others, of nobody; guests that were suspended together end together."""
    changes = [
        change(1, "suspended", "a", "b", until=5),
        change(2, "suspended", until=3),
        change(4, "suspended", "c"),
        change(6, "resumed", "c"),
    ]
    assert told(with_ends(changes, 10)) == [
        (1, "suspended", ("a", "b"), "kim"),
        (2, "suspended", (), "kim"),
        (3, "ended", (), ""),
        (4, "suspended", ("c",), "kim"),
        (5, "ended", ("a", "b"), ""),
        (6, "resumed", ("c",), "kim"),
    ]


def test_what_was_resumed_or_replaced_or_still_runs_has_no_end_of_its_own() -> None:
    """Nor has one that another command ended before its time, for the guests that it was about."""
    changes = [
        change(1, "suspended", "a", "b", until=5),
        change(2, "resumed", "a"),
        change(3, "suspended", "c", until=20),
        change(4, "suspended", "b", until=30),
    ]
    assert told(with_ends(changes, 10)) == told(changes)


def test_what_has_no_time_stays_where_it_stands() -> None:
    """As what an older version suspended; the rest is divided by a moment."""
    changes = [change(None, "suspended", "a"), change(1, "suspended", "b"), change(2, "resumed", "b")]
    assert told(with_ends(changes, 10)) == told(changes)
    assert [one.at for one in since(changes, 2)] == [None, 2]
