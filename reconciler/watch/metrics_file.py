"""The metrics as a file for the node exporter's collector of text files."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from reconciler.integrations.files import replace
from reconciler.watch.metrics import Exposition
from reconciler.watch.report import Report


class MetricsFile:
    """A file that has the metrics of the newest report, readable by all (0644).

    At the end a last one says that the loop has ended, and nothing of the host. What a crash leaves behind tells its
    age by ``reconcile_last_turn_timestamp_seconds``.
    """

    def __init__(self, path: Path, version: str) -> None:
        """Check where it shall be.

        Raises:
            ValueError: the exporter would not read a file of that name, or the folder is missing.
            NoMetrics: `prometheus_client` is not installed.
        """
        if path.suffix != ".prom" or path.name.startswith("."):
            raise ValueError(f"{path}: the node exporter reads files whose name ends in .prom")
        if not path.parent.is_dir():
            raise ValueError(f"{path}: the folder {path.parent} is not there; make it, readable by the node exporter")
        if os.path.lexists(path) and not _is_regular(path):
            raise ValueError(
                f"{path} is no regular file, and is not replaced by one; remove it, or choose another name"
            )
        self._path = path
        self._report: Report | None = None
        self._ended = False
        self._exposition = Exposition(lambda: self._report, version, has_ended=lambda: self._ended)

    def begin(self) -> None:
        """Report that the loop runs, with counters at 0, so that their first step is seen.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        replace(self._path, self._exposition.text()[0])

    def write(self, report: Report) -> None:
        """Tell of `report`; whoever reads the file meanwhile gets the old content or the new.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        self._report = report
        replace(self._path, self._exposition.text()[0])

    def close(self) -> None:
        """Report that the loop has ended, as far as that can be written."""
        self._ended = True
        with suppress(OSError):
            replace(self._path, self._exposition.text()[0])


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
