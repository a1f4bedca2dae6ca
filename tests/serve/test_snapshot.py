"""What is published is replaced while it is read: nothing old is taken for the newest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.serve.answers import Now
from reconciler.serve.snapshot import Beat, Snapshots
from reconciler.watch.published import Published, PublishedReader, Version, boot_id
from testing.clocks import FakeClock
from testing.publishing import publishing
from testing.reports import report


class Interrupted(PublishedReader):
    """Has something happen before one of the times that it is asked for anything."""

    def __init__(self, directory: Path, before: int, happens: Callable[[], None]) -> None:
        super().__init__(directory)
        self._left, self._happens = before, happens

    def read(self) -> Published:
        """See `PublishedReader`."""
        self._step()
        return super().read()

    def versions(self, *names: str) -> tuple[Version, ...]:
        """See `PublishedReader`."""
        self._step()
        return super().versions(*names)

    def _step(self) -> None:
        if self._left == 0:
            self._happens()
        self._left -= 1


@pytest.mark.parametrize("before", range(3))
def test_an_old_report_never_has_the_id_of_the_newest(before: int, tmp_path: Path) -> None:
    """Whenever it is replaced: who has seen the old one hears of the new one, also where both ended at one moment."""
    clock = FakeClock()
    loop = publishing(tmp_path, clock)
    loop.publish(report(summary="old"))
    snapshots = Snapshots(Interrupted(tmp_path, before, lambda: loop.publish(report(summary="new"))))
    now = Now(boot_id(), clock.monotonic())

    seen: dict[str, set[str]] = {}
    beats = [snapshots.beat(now) for _ in range(3)]
    for beat in beats:
        seen.setdefault(beat.id, set()).add(summary_of(beat))

    assert "new" in seen[beats[-1].id]
    assert all(len(reports) == 1 for reports in seen.values())


def summary_of(beat: Beat) -> str:
    """What the report of a beat says."""
    assert beat.published.report
    return beat.published.report.summary
