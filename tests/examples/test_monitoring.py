"""The dashboard and the alerts ask for metrics that there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from reconciler.model.outcome import Result
from reconciler.watch.metrics import BUILD_INFO, METRICS
from reconciler.watch.report import Condition
from testing.commands import EXAMPLES

DASHBOARD = json.loads((EXAMPLES / "monitoring/grafana-dashboard.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((EXAMPLES / "monitoring/prometheus-alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
LABELS = {one.name: set(one.labels) for one in METRICS} | {BUILD_INFO: {"version"}}
FOREIGN = {"process_resident_memory_bytes": set[str](), "up": {"job"}}  # of prometheus_client, and of Prometheus
VALUES = {
    "condition": {one.value for one in Condition},
    "result": {one.value.replace(" ", "_") for one in Result},
    "state": {"host", "effective", "pending", "claimed", "free"},
}


def found(value: Any, key: str) -> Iterator[str]:
    """Every text that stands under `key`, at any depth."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name == key and isinstance(one, str):
                yield one
            else:
                yield from found(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from found(one, key)


DASHBOARD_QUERIES = [*found(DASHBOARD, "expr"), *found(DASHBOARD, "definition")]
QUERIES = [*DASHBOARD_QUERIES, *(rule["expr"] for rule in RULES)]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_what_there_is(query: str) -> None:
    """Metrics, their labels, and values that these can have."""
    known = LABELS | FOREIGN
    named = re.findall(r"\b((?:reconcile|process)_\w+|up(?=\{))(?:\{([^}]*)\})?", query)

    assert named
    for name, selector in named:
        assert name in known
        for label, _how, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', selector):
            assert label == "instance" or label in known[name]
            assert label not in VALUES or all(
                any(re.fullmatch(one, each) for each in VALUES[label]) for one in value.split("|")
            )
    for labels in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", query):
        assert set(re.split(r", *", labels)) <= {"instance", *(label for name, _ in named for label in known[name])}
    assert query.count("(") == query.count(")")


def test_every_metric_is_shown() -> None:
    """Whoever adds one thinks of where it is seen."""
    shown = {name for query in DASHBOARD_QUERIES for name in re.findall(r"\breconcile_\w+", query)}

    assert shown == LABELS.keys()


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """Its data source is chosen, each panel has its own id and place."""
    panels = DASHBOARD["panels"]
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}

    assert len({one["id"] for one in panels}) == len(panels) > 15
    assert variables["datasource"]["type"] == "datasource"
    assert DASHBOARD["uid"]
    assert "id" not in DASHBOARD
    for one in panels:
        if one["type"] == "row":
            continue
        assert one["title"]
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in one["targets"]}) == len(one["targets"])
        assert all(target["datasource"] == one["datasource"] for target in one["targets"])
    cells = [cell for one in panels for cell in cells_of(one["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _y in cells) < 24


def cells_of(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    """What a panel takes of the grid."""
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_alerts_say_what_is_wrong_and_how_bad() -> None:
    """Each has its own name, a severity and a sentence."""
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
