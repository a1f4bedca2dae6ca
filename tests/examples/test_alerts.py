"""The alerts on what the loop really exposes, as Prometheus itself evaluates them (promtool)."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from reconciler.cli.main import run
from reconciler.watch.metrics import Measured, MetricsFile, metrics_text
from reconciler.watch.published import LOOP
from reconciler.watch.report import Condition, Counters, Report
from testing.clocks import FakeClock
from testing.commands import EXAMPLES
from testing.publishing import Server, publishing
from testing.reports import report

RULES: Final = EXAMPLES / "monitoring/prometheus-alerts.yml"
INSTANCE: Final = "lpar7:9750"
MINUTES: Final = 120
Scrape = str | None
"""What a target answers; None where it does not."""

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="NOT TESTED: alerts as Prometheus evaluates them (promtool is missing: apt-get install prometheus)",
)


def exposed(made: Report | None) -> str:
    """What the loop answers while `made` is its newest report."""
    return metrics_text(Measured(made), "1.2")[0].decode()


def healthy(minute: int, **changes: Any) -> str:
    """A host that is looked at each minute."""
    now = 60.0 * minute
    return exposed(report(cycle_ended=now, since=0.0, succeeded=now, **changes))


def dead_after(minutes: int, last: Scrape = None) -> Callable[[int], Scrape]:
    """A loop that is gone after some minutes and has left `last`."""
    return lambda minute: healthy(minute) if minute < minutes else last


def ended_file(folder: Path) -> str:
    """The file of a loop that has ended."""
    file = MetricsFile(folder / "reconcile.prom", "1.2")
    file.begin()
    file.write(report())
    file.close()
    return (folder / "reconcile.prom").read_text()


def file_after_exit_64(folder: Path) -> str:
    """The file after a start with wrong options."""
    path = folder / "reconcile.prom"
    words = ["watch", "--self-heal", "--metrics-file", str(path), "--state-dir", str(folder / "s"), "-f", str(folder)]
    assert run([*words, "--sysfs", str(folder)]) == 64
    return path.read_text()


def alerts(scrapes: Callable[[int], Scrape], *, scraped: bool, folder: Path) -> dict[str, int]:
    """Which alerts fire, and in which minute first, where a target answers `scrapes` minute by minute.

    `scraped`: Prometheus asks the loop itself; otherwise the node exporter, which goes on answering.
    """
    job = "reconcile" if scraped else "node"
    series: dict[str, list[str]] = {}
    for minute in range(MINUTES):
        answer = scrapes(minute)
        samples = _samples(answer or "", job)
        up = 0.0 if answer is None and scraped else 1.0
        samples[f'up{{instance="{INSTANCE}",job="{job}"}}'] = up
        for name in series.keys() | samples.keys():
            values = series.setdefault(name, ["_"] * minute)
            # A series that a target does not show any more is marked as stale.
            gone = "stale" if values and values[-1] not in ("_", "stale") else "_"
            values.append(repr(samples[name]) if name in samples else gone)
    wanted = [
        {"eval_time": f"{minute}m", "alertname": rule["alert"], "exp_alerts": []}
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        for minute in range(MINUTES)
    ]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": " ".join(values)} for name, values in series.items()],
                "alert_rule_test": wanted,
            }
        ],
    }
    (folder / "test.yml").write_text(json.dumps(test))
    command = ["promtool", "test", "rules", "test.yml"]
    ran = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    return _fired(ran.stdout + ran.stderr)


def _samples(text: str, job: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = {**one.labels, "instance": INSTANCE, "job": job}
            words = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
            found[f"{one.name}{{{words}}}"] = one.value
    return found


def _fired(told: str) -> dict[str, int]:
    """The alerts that promtool names because nothing was expected."""
    found: dict[str, int] = {}
    for name, hours, minutes in re.findall(r"alertname: ?(\w+), time: ?(?:(\d+)h)?(?:(\d+)m)?", told):
        minute = int(hours or 0) * 60 + int(minutes or 0)
        found[name] = min(found.get(name, MINUTES), minute)
    return found


@promtool
def test_the_rules_are_rules() -> None:
    """As Prometheus reads them."""
    ran = subprocess.run(["promtool", "check", "rules", str(RULES)], check=False, capture_output=True, text=True)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@promtool
@pytest.mark.parametrize("scraped", [True, False])
def test_a_host_in_sync_raises_no_alert(scraped: bool, tmp_path: Path) -> None:
    """Also from its first minute, and with a rollback of long ago."""
    assert alerts(healthy, scraped=scraped, folder=tmp_path) == {}


@promtool
@pytest.mark.parametrize("scraped", [True, False])
def test_a_loop_that_is_ended_raises_one(scraped: bool, tmp_path: Path) -> None:
    """Prometheus cannot reach it, or finds the last file; nothing else is said of the host."""
    scrapes = dead_after(10, None if scraped else ended_file(tmp_path))

    assert alerts(scrapes, scraped=scraped, folder=tmp_path) == {"ReconcileLoopDead": 15}


@promtool
@pytest.mark.parametrize("how", ["ended", "killed", "hangs", "damaged"])
def test_a_loop_that_is_dead_raises_one_while_its_server_answers(how: str, tmp_path: Path) -> None:
    """Dead is not quiet: the server says so, and of the host it says nothing."""
    clock = FakeClock()
    loop = publishing(tmp_path / "run", clock)
    loop.publish(report())
    match how:
        case "ended":
            loop.close(1, "by an error")
        case "killed":
            os.close(loop._lock)
        case "hangs":
            clock.sleep(3600)
        case _:
            (tmp_path / "run" / LOOP).write_text("{")
    server = Server(tmp_path / "run", clock)
    try:
        answer, last = server.ask("/metrics")
    finally:
        server.close()

    assert answer.status == 200
    assert alerts(dead_after(10, last), scraped=True, folder=tmp_path) == {"ReconcileLoopDead": 15}


@promtool
def test_a_loop_that_was_killed_and_leaves_its_file_raises_one(tmp_path: Path) -> None:
    """The file goes on saying what was the case then: its age tells."""
    scrapes = dead_after(10, healthy(9))

    assert alerts(scrapes, scraped=False, folder=tmp_path).keys() == {"ReconcileNoCycle"}


@promtool
def test_a_loop_whose_metrics_are_gone_raises_one(tmp_path: Path) -> None:
    """Its file was removed, or its target, while the exporter answers."""
    assert alerts(dead_after(10, ""), scraped=False, folder=tmp_path) == {"ReconcileMetricsGone": 20}


@promtool
@pytest.mark.parametrize("scraped", [True, False])
def test_a_loop_that_never_starts_because_of_its_options_raises_one(scraped: bool, tmp_path: Path) -> None:
    """Exit code 64: systemd leaves it so. Also where there was none before."""
    last = None if scraped else file_after_exit_64(tmp_path)

    assert alerts(lambda _: last, scraped=scraped, folder=tmp_path) == {"ReconcileLoopDead": 5}


@pytest.mark.parametrize(
    "wrong", [["--bogus"], ["--bogus", "x"], ["--resync", "abc"], ["--yes"], ["extra"], ["-o", "x"], ["--git"]]
)
def test_options_that_cannot_be_read_leave_a_file_that_says_that_no_loop_runs(wrong: list[str], tmp_path: Path) -> None:
    """As after an update that does not know an option any more: the alert looks at that file."""
    file = tmp_path / "reconcile.prom"
    words = ["--metrics-file", str(file), "--state-dir", str(tmp_path / "s"), "--sysfs", str(tmp_path)]

    assert run(["watch", *words, *wrong]) == 64
    assert "reconcile_up 0.0" in file.read_text().splitlines()


@promtool
@pytest.mark.parametrize("scraped", [True, False])
def test_a_rollback_in_the_first_cycle_raises_one(scraped: bool, tmp_path: Path) -> None:
    """The counter is 1 when it is first seen, and stays so; the alert ends after an hour."""
    counted = Counters(1, {"rolled back": 1})

    def scrapes(minute: int) -> Scrape:
        if minute < 10:
            return None if scraped else ""
        return healthy(minute, condition=Condition.IN_SYNC, counters=counted, rolled_back=600.0)

    fired = alerts(scrapes, scraped=scraped, folder=tmp_path)

    assert fired.pop("ReconcileLoopDead", 5) == 5
    assert fired == {"ReconcileRolledBack": 10}


@promtool
@pytest.mark.parametrize("condition", [Condition.STOPPED, Condition.NEEDS_PERSON])
def test_healing_that_has_stopped_raises_one(condition: Condition, tmp_path: Path) -> None:
    """Whatever else is the case."""
    made = report(condition=condition, stopped={"guest1": 9000.0})

    def scrapes(minute: int) -> Scrape:
        return healthy(minute, condition=made.condition, stopped=made.stopped) if minute >= 10 else healthy(minute)

    fired = alerts(scrapes, scraped=True, folder=tmp_path)

    assert fired.pop("ReconcileNotInSync") == 40
    assert fired == {"ReconcileStopped": 10}


def kinds() -> Iterable[str]:
    """The metrics that are counters."""
    return [family.name for family in text_string_to_metric_families(exposed(report())) if family.type == "counter"]


def test_every_counter_is_there_before_the_first_cycle() -> None:
    """At 0 for each of its label values, so that its first step is one."""
    before, after = exposed(None), exposed(report(counters=Counters()))

    assert kinds()
    for name in kinds():
        lines = [line for line in after.splitlines() if line.startswith(f"{name}_total")]
        assert lines
        assert all(line.endswith(" 0.0") for line in lines)
        assert [line for line in before.splitlines() if line.startswith(f"{name}_total")] == lines
