"""The metrics as a file for the node exporter's collector of text files."""

from contextlib import suppress
from pathlib import Path

from reconciler.integrations.careful_files import replace
from reconciler.watch.metrics import Exposition
from reconciler.watch.report import Report


class MetricsFile:
    """A file that has the metrics of the newest report, readable by all (0644).

    It is removed at the end, so that a host where nothing guards any more does not go on saying that all is well; what
    a crash leaves behind tells its age by ``reconcile_last_turn_timestamp_seconds``.
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
        self._path = path
        self._report: Report | None = None
        self._exposition = Exposition(lambda: self._report, version)

    def write(self, report: Report) -> None:
        """Tell of `report`; whoever reads the file meanwhile gets the old content or the new.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        self._report = report
        replace(self._path, self._exposition.text()[0])

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
