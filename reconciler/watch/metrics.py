"""A `Report` as Prometheus metrics, and as a file for the node exporter: few, without a guest's name.

Names and units follow https://prometheus.io/docs/practices/naming/. The commit is a label of one series alone
(``reconcile_source_info``), of which there is one at a time: a series for each commit would be one for ever.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from reconciler.integrations.files import replace
from reconciler.model.errors import HostError
from reconciler.model.outcome import Result
from reconciler.model.printable import escaped_values
from reconciler.watch.published import Usage
from reconciler.watch.report import NO_REPORT, Condition, Mode, Report
from reconciler.watch.triggers import Noticed

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

_SHORT: Final = 12
_QUEUE_STATES: Final = ("host", "effective", "pending", "claimed", "free")
_MAY_BE_POLLED: Final = (Noticed.FILES.value, Noticed.KERNEL.value)
_SOURCES: Final = tuple(one.value for one in Noticed)

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Values with those of their labels, in the order of `Metric.labels`."""


class NoMetrics(HostError):
    """Metrics cannot be made; the text says why and what to do."""


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: as it is queried.
        kind: ``gauge``, ``counter`` or ``info``.
        labels: their names.
        help: one sentence without its full stop.
        samples: its values in a report.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    samples: Callable[[Report], Samples]


def _gauge(name: str, help: str, value: Callable[[Report], float | None]) -> Metric:
    return Metric(name, "gauge", (), help, lambda report: _single(value(report)))


def _counter(name: str, help: str, value: Callable[[Report], float]) -> Metric:
    return Metric(name, "counter", (), help, lambda report: _single(value(report)))


def _single(value: float | None) -> Samples:
    return () if value is None else (((), float(value)),)


def _by(counts: Mapping[str, int], known: Iterable[str]) -> Samples:
    """Each of `known` from the start, so that rates have a beginning; whatever else was counted after it."""
    names = dict.fromkeys((*known, *sorted(counts)))
    return [((name.replace(" ", "_"),), float(counts.get(name, 0))) for name in names]


UP: Final = "reconcile_up"
"""1 while the loop is alive. Where it is 0, there is no metric of the host."""

METRICS: Final = (
    _gauge(UP, "1 while the loop is alive; 0 where it has ended, was killed or hangs", lambda _: 1.0),
    _gauge("reconcile_in_sync", "1 where the host is as the manifests say", lambda r: r.condition is Condition.IN_SYNC),
    Metric(
        "reconcile_condition",
        "gauge",
        ("condition",),
        "1 for the condition that the host is in, 0 for all others",
        lambda r: [((one.value,), float(r.condition is one)) for one in Condition],
    ),
    _gauge("reconcile_condition_since_timestamp_seconds", "When this condition began", lambda r: r.since),
    _gauge(
        "reconcile_last_success_timestamp_seconds",
        "When the host was last seen in sync; 0 if never",
        lambda r: r.succeeded or 0.0,
    ),
    _gauge("reconcile_last_cycle_timestamp_seconds", "When the loop last looked", lambda r: r.cycle_ended),
    _gauge("reconcile_last_plan_duration_seconds", "How long the last plan took", lambda r: r.plan_seconds),
    _gauge(
        "reconcile_last_apply_duration_seconds",
        "How long the last apply took; not there before the first",
        lambda r: r.apply_seconds,
    ),
    _gauge("reconcile_apply_enabled", "1 where the loop applies, 0 where it only reports", lambda r: r.applies),
    _gauge("reconcile_held", "1 where the loop is held, 0 where it follows manifests", lambda r: r.mode is Mode.HELD),
    _gauge("reconcile_generation", "The generation that was applied last; 0 if none", lambda r: r.generation),
    _gauge("reconcile_differences", "How many things are not as they should be", lambda r: len(r.differences)),
    Metric(
        "reconcile_queues",
        "gauge",
        ("state",),
        "Queues: with the host's drivers, seen by a guest, pending (authorised, absent or unusable), claimed, or free",
        lambda r: _by(r.queues, _QUEUE_STATES),
    ),
    _gauge("reconcile_guests", "Guests that a manifest or a device names", lambda r: len(r.guests) + r.guests_left_out),
    _gauge(
        "reconcile_guests_drifted",
        "Guests whose device another program changed",
        lambda r: sum(one.drifted for one in r.guests),
    ),
    _gauge(
        "reconcile_guests_suspended",
        "Guests that are suspended",
        lambda r: sum(one.suspended is not None for one in r.guests),
    ),
    _gauge("reconcile_suspended", "1 where the whole host is suspended", lambda r: r.suspended is not None),
    _gauge(
        "reconcile_source_refused",
        "1 where the newest configuration is not used, but the last good one",
        lambda r: r.source.refused is not None,
    ),
    _gauge(
        "reconcile_source_unreachable",
        "1 where the repository cannot be reached",
        lambda r: bool(r.source.unreachable),
    ),
    _gauge(
        "reconcile_stopped_holders",
        "Guests, and the masks, that are not healed for a while, since another program changes them again and again",
        lambda r: len(r.stopped),
    ),
    _gauge(
        "reconcile_last_rollback_timestamp_seconds",
        "When an apply of the loop last failed and was rolled back; 0 if never",
        lambda r: r.rolled_back or 0.0,
    ),
    Metric(
        "reconcile_source_polled",
        "gauge",
        ("source",),
        "1 where a trigger source does not report changes: it is polled, and they are found later than they happen",
        lambda r: [((one,), float(one in r.polled)) for one in dict.fromkeys((*_MAY_BE_POLLED, *sorted(r.polled)))],
    ),
    _counter("reconcile_cycles_total", "How often the loop has looked", lambda r: r.counters.cycles),
    Metric(
        "reconcile_triggers_total",
        "counter",
        ("source",),
        "What woke the loop",
        lambda r: _by(r.counters.triggers, _SOURCES),
    ),
    Metric(
        "reconcile_applies_total",
        "counter",
        ("result",),
        "Applies by how they ended; a rollback is `rolled_back`",
        lambda r: _by(r.counters.applies, [one.value for one in Result]),
    ),
    _counter(
        "reconcile_refused_configurations_total",
        "Configurations that were not used",
        lambda r: r.counters.refused,
    ),
    _counter("reconcile_healed_total", "How often drift was corrected", lambda r: r.counters.healed),
    Metric(
        "reconcile_source_info",
        "info",
        ("host", "commit"),
        "The Host, and the commit that is enforced; one series at a time",
        lambda r: [((r.host, r.source.commit[:_SHORT]), 1.0)],
    ),
)
"""Everything that is exposed of a report, in the order in which it is shown."""

BUILD_INFO: Final = "reconcile_build_info"
"""The one metric that is always there. Before the first cycle there are also `UP` and the counters, at 0."""

_EARLY: Final = tuple(one for one in METRICS if one.kind == "counter" or one.name == UP)


_PROCESS: Final[tuple[tuple[str, str, str, Callable[[Usage], float]], ...]] = (
    ("process_start_time_seconds", "gauge", "When the loop was started", lambda u: u.started),
    ("process_cpu_seconds_total", "counter", "Processor time of the loop", lambda u: u.cpu_seconds),
    ("process_resident_memory_bytes", "gauge", "Memory of the loop that is in RAM", lambda u: u.resident_bytes),
    ("process_virtual_memory_bytes", "gauge", "Memory that the loop has reserved", lambda u: u.virtual_bytes),
    ("process_open_fds", "gauge", "Descriptors that the loop has open", lambda u: u.open_files),
    ("process_max_fds", "gauge", "Descriptors that the loop may have open", lambda u: u.most_open_files),
)
"""What the process of the loop uses, under the names that all of Prometheus' libraries use."""


class Measured(NamedTuple):
    """What metrics are made of.

    Attributes:
        report: of the loop's last cycle; None before the first.
        is_up: whether the loop is alive. Of a loop that is not, nothing is known of the host any more.
        usage: what its process uses; None where that is not known, as in the file: the node exporter has metrics of
            these names.
    """

    report: Report | None
    is_up: bool = True
    usage: Usage | None = None


def require_library() -> None:
    """Return if metrics can be made.

    Raises:
        NoMetrics: `prometheus_client` is not installed.
    """
    try:
        import prometheus_client  # noqa: F401
    except ImportError as error:
        raise NoMetrics(
            "metrics need the Python package prometheus_client; run pip install '.[web]' in a clone or, "
            "on Debian, install python3-prometheus-client"
        ) from error


def metrics_text(measured: Measured, version: str, accept: str = "") -> tuple[bytes, str]:
    """The metrics, and the `Content-Type` of their format.

    Args:
        measured: what is known.
        version: of reconcile.
        accept: the header that asks for a format; Prometheus' older text if it names none.
    """
    from prometheus_client import exposition

    encoder, kind = exposition.choose_encoder(accept)
    return encoder(_Collected(tuple(_families(measured, version)))), kind


class _Collected(NamedTuple):
    """What an encoder asks for the metrics."""

    families: "tuple[Family, ...]"

    def collect(self) -> "Iterable[Family]":
        """See `prometheus_client.registry.Collector`."""
        return self.families


def _families(measured: Measured, version: str) -> "Iterator[Family]":
    from prometheus_client import core

    yield core.InfoMetricFamily(BUILD_INFO.removesuffix("_info"), "The version of reconcile", {"version": version})
    if not measured.is_up:
        yield core.GaugeMetricFamily(UP, METRICS[0].help, 0.0)
        return
    for metric in _EARLY if measured.report is None else METRICS:
        samples = metric.samples(measured.report or NO_REPORT)
        yield _family(metric.name, metric.kind, metric.help, metric.labels, samples)
    if measured.usage is not None:
        for name, kind, sentence, value in _PROCESS:
            yield _family(name, kind, sentence, (), _single(float(value(measured.usage))))


def _family(name: str, kind: str, help: str, labels: tuple[str, ...], samples: Samples) -> "Family":
    from prometheus_client import core

    if kind == "info":
        info = core.InfoMetricFamily(name.removesuffix("_info"), help, labels=labels)
        for values, _one in samples:
            info.add_metric(escaped_values(values), {})
        return info
    family = (core.GaugeMetricFamily if kind == "gauge" else core.CounterMetricFamily)(name, help, labels=labels)
    for values, value in samples:
        family.add_metric(escaped_values(values), value)
    return family


class MetricsFile:
    """A file that has the metrics of the newest report, readable by all (0644).

    At the end a last one says that the loop has ended, and nothing of the host. What a crash leaves behind shows its
    age by ``reconcile_last_cycle_timestamp_seconds``.
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
        require_library()
        self._version = version

    def begin(self) -> None:
        """Report that the loop runs, with counters at 0, so that their first step is seen.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        self._replace(Measured(None))

    def write(self, report: Report) -> None:
        """Write `report`; whoever reads the file meanwhile gets the old content or the new.

        Raises:
            OSError: it cannot be written; the old content is still there.
        """
        self._replace(Measured(report))

    def close(self) -> None:
        """Report that the loop has ended, as far as that can be written."""
        with suppress(OSError):
            self._replace(Measured(None, is_up=False))

    def _replace(self, measured: Measured) -> None:
        replace(self._path, metrics_text(measured, self._version)[0])


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)
