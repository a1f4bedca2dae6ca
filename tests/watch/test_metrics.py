"""Metrics of a report."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from reconciler.watch.metrics import METRICS, Measured, MetricsFile, metrics_text
from reconciler.watch.report import Condition, Counters, RefusedConfiguration, Report, SourceReport, Suspended
from testing.reports import NOW, guest, report


def samples(made: Report | None, accept: str = "") -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    text = metrics_text(Measured(made), "1.2", accept)[0].decode()
    families = (parse_openmetrics if "openmetrics" in accept else parse)(text)
    return {
        (one.name, *(value for _label, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_a_host_in_sync() -> None:
    """What dashboards and alerts ask for."""
    found = samples(report(queues={"host": 8, "effective": 6, "pending": 2, "free": 1}))

    assert found["reconcile_build_info", "1.2"] == 1
    assert found["reconcile_in_sync",] == 1
    assert found["reconcile_condition", "in-sync"] == 1
    assert sum(value for name, value in found.items() if name[0] == "reconcile_condition") == 1
    assert found["reconcile_queues", "pending"] == 2
    assert found["reconcile_last_success_timestamp_seconds",] == NOW
    assert found["reconcile_applies_total", "applied"] == 2
    assert found["reconcile_applies_total", "rolled_back"] == 0
    assert found["reconcile_triggers_total", "resync"] == 11
    assert found["reconcile_source_info", "0123456789ab", "lpar7"] == 1


def test_a_source_that_is_not_heard() -> None:
    """Known from the start, so that an alert can be written."""
    assert samples(report())["reconcile_source_polled", "files"] == 0
    found = samples(report(polled={"files": "no watches are left", "git": "gone"}))
    assert [1, 1, 0] == [found["reconcile_source_polled", one] for one in ("files", "git", "kernel")]


def test_a_host_in_trouble() -> None:
    """Each trouble can be told from the others."""
    ann = Suspended("x", "ann", None)
    found = samples(
        report(
            condition=Condition.DEGRADED,
            guests=(guest(drifted=True), guest("web", suspended=ann)),
            source=SourceReport("x", "", RefusedConfiguration("", ("bad",), NOW), "timeout"),
            suspended=ann,
            succeeded=None,
            apply_seconds=None,
            counters=Counters(5, {"degraded": 1}, {"kernel": 4}, refused=3, healed=2),
        )
    )

    assert found["reconcile_in_sync",] == 0
    assert found["reconcile_condition", "degraded"] == 1
    assert found["reconcile_guests_drifted",] == found["reconcile_guests_suspended",] == 1
    assert found["reconcile_source_refused",] == found["reconcile_source_unreachable",] == 1
    assert found["reconcile_suspended",] == 1
    assert found["reconcile_last_success_timestamp_seconds",] == 0
    assert ("reconcile_last_apply_duration_seconds",) not in found
    assert found["reconcile_refused_configurations_total",] == 3
    assert found["reconcile_healed_total",] == 2


def test_before_the_first_turn_there_is_the_version_and_counters_at_0() -> None:
    """Nothing is said of the host; an empty answer would look like a fault."""
    found = samples(None)

    assert found.pop(("reconcile_build_info", "1.2")) == 1
    assert found.pop(("reconcile_up",)) == 1
    assert {name[0] for name in found} == {one.name for one in METRICS if one.kind == "counter"}
    assert set(found.values()) == {0}


def test_both_formats_say_the_same() -> None:
    """Prometheus asks for OpenMetrics, the node exporter reads the older text."""
    assert samples(report(), "application/openmetrics-text; version=1.0.0") == samples(report())


def test_a_hostile_commit_cannot_add_a_sample() -> None:
    """Label values are escaped."""
    found = samples(report(host='a"}\nreconcile_in_sync 9', source=SourceReport("x", '"\\\n')))

    assert found["reconcile_in_sync",] == 1
    assert ("reconcile_source_info", '"\\\\n', 'a"}\\nreconcile_in_sync 9') in found


def test_ten_thousand_guests_add_no_sample() -> None:
    """No label has a guest's name."""
    many = tuple(guest(f"g{number}") for number in range(10_000))

    assert samples(report(guests=many)).keys() == samples(report()).keys()


def test_names_follow_the_conventions() -> None:
    """Counters end in _total, moments and durations in _seconds, and nothing else does."""
    for one in METRICS:
        assert re.fullmatch(r"reconcile_[a-z_]+[a-z]", one.name)
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert one.name.endswith("_info") == (one.kind == "info")
        assert one.name.endswith("_seconds") == ("timestamp" in one.name or "duration" in one.name)
        assert not one.help.endswith(".")


def test_the_file_is_replaced_readable_and_says_the_end(tmp_path: Path) -> None:
    """The node exporter finds one whole file of ours, and after the end one that says nothing of the host."""
    path = tmp_path / "reconcile.prom"
    file = MetricsFile(path, "1.2")

    file.write(report())
    first = path.read_text()
    file.write(report(condition=Condition.DRIFT))

    assert "reconcile_in_sync 1.0\n" in first
    assert "reconcile_in_sync 0.0\n" in path.read_text()
    assert "\nprocess_" not in first
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["reconcile.prom"]

    file.close()
    file.close()

    names = {line.partition("{")[0].split()[0] for line in path.read_text().splitlines() if not line.startswith("#")}
    assert names == {"reconcile_build_info", "reconcile_up"}
    assert "reconcile_up 0.0\n" in path.read_text()


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    """The folder may belong to the exporter's user, and we may be root."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "textfiles"
    folder.mkdir()
    (folder / ".reconcile.prom.new").symlink_to(victim)

    MetricsFile(folder / "reconcile.prom", "1.2").write(report())

    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["reconcile.txt", ".reconcile.prom", "missing/reconcile.prom"])
def test_a_file_that_nobody_would_read_is_refused(tmp_path: Path, name: str) -> None:
    """A slip is told at the start."""
    with pytest.raises(ValueError, match=r"\.prom"):
        MetricsFile(tmp_path / name, "1.2")
