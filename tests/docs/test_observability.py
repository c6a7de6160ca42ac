"""Rules, runbook, dashboards, deploy/metrics.md and the catalogue of metrics speak of the same things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from tocsin.telemetry.instruments import Counter, Histogram, Metric, Total
from tocsin.telemetry.metrics import CATALOGUE

from tests.support.queries import (
    DASHBOARDS,
    DEPLOY,
    RULE_TESTS,
    Query,
    alerts,
    dashboard_queries,
    grouping_labels,
    known_series,
    prometheus_name,
    queries,
    rules,
    selectors,
    series_of,
    without_variables,
)

RUNBOOK: Final = (DEPLOY / "runbook.md").read_text()
METRICS: Final = (DEPLOY / "metrics.md").read_text()


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_has_the_name_and_labels_that_the_exporter_gives_it(metric: Metric) -> None:
    registry = CollectorRegistry()
    own = {"site": "urn:example", "model_version": "1"}
    reader = PrometheusMetricReader(registry=registry, scope_info_enabled=False, resource_attribute_filter=own.__contains__)
    _record_once(metric, MeterProvider([reader], Resource(own)))
    samples = {sample.name: sample.labels for family in registry.collect() for sample in family.samples}
    assert {name: samples[name].keys() | {"job", "instance", "process"} for name in series_of(metric)} == series_of(metric)


def _record_once(metric: Metric, provider: MeterProvider) -> None:
    meter, labels = provider.get_meter("tocsin"), dict.fromkeys(metric.labels, "x")
    match metric:
        case Counter():
            meter.create_counter(metric.name, metric.unit).add(1, labels)
        case Histogram():
            meter.create_histogram(metric.name, metric.unit).record(1, labels)
        case Total():
            meter.create_observable_counter(metric.name, [lambda _: [Observation(1, labels)]], metric.unit)
        case _:
            meter.create_observable_gauge(metric.name, [lambda _: [Observation(1, labels)]], metric.unit)


def test_every_metric_is_shown_on_a_dashboard() -> None:
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    shown = " ".join(query.expr for query in dashboard_queries())
    for name in sorted(recorded, key=len, reverse=True) * 3:  # a recorded series may stand on others
        shown = shown.replace(name, recorded[name])
    assert [metric.name for metric in CATALOGUE if prometheus_name(metric) not in shown] == []


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_a_query_asks_for_series_and_labels_that_there_are(query: Query) -> None:
    asked = selectors(query.expr)
    assert asked, "a query that asks for nothing"
    assert [name for name, _ in asked if name not in known_series()] == []
    assert [(name, labels - known_series()[name]) for name, labels in asked if labels - known_series()[name]] == []
    assert grouping_labels(query.expr) - frozenset().union(*(known_series()[name] for name, _ in asked)) == set()


def test_no_query_blames_a_version_for_verdicts_by_the_process_that_took_them() -> None:
    blaming = [query.where for query in queries() if "tocsin_verdict" in query.expr and "model_version" in grouping_labels(query.expr)]
    assert blaming == []


@pytest.mark.parametrize(
    ("expr", "series", "grouped"),
    [
        ('sum by (a) (rate(x_total{b="c{d}", e=~"f"}[5m] offset 7d)) > 0', {("x_total", frozenset("be"))}, {"a"}),
        ("x and on (job) y < 3 unless z", {("x", frozenset()), ("y", frozenset()), ("z", frozenset())}, {"job"}),
        ("a:b:c * 0 or group by (site) (d)", {("a:b:c", frozenset()), ("d", frozenset())}, {"site"}),
    ],
)
def test_the_series_and_labels_of_a_query_are_found(expr: str, series: set[tuple[str, frozenset[str]]], grouped: set[str]) -> None:
    assert set(selectors(expr)) == series
    assert grouping_labels(expr) == grouped


def test_no_variable_of_grafana_is_left_in_a_query() -> None:
    assert [query.where for query in queries() if re.search(r"\$\w", query.expr)] == []


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_whom_it_wakes_what_is_wrong_and_where_to_read_on(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"deploy/runbook.md#{name.lower()}"


@pytest.mark.parametrize("name", alerts())
def test_an_alert_speaks_only_of_labels_that_it_has(name: str) -> None:
    expr, said = alerts()[name]["expr"], " ".join(alerts()[name]["annotations"].values())
    recorded = [known_series()[series] for series, _ in selectors(expr) if ":" in series]
    assert set(re.findall(r"\$labels\.(\w+)", said)) - grouping_labels(expr).union(*recorded) == set()


def test_each_alert_has_a_section_of_the_runbook_and_each_section_an_alert() -> None:
    sections = re.findall(r"^## (Tocsin\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(sections) == sorted(alerts())


@pytest.mark.parametrize("section", re.split(r"^## (?=Tocsin)", RUNBOOK, flags=re.MULTILINE)[1:], ids=lambda text: text.split()[0])
def test_a_section_says_what_it_means_where_to_look_what_to_do_and_whom_to_wake(section: str) -> None:
    assert re.findall(r"^- \*\*(\w+)\*\*: ", section, re.MULTILINE) == ["Means", "Look", "Do", "Wake"]


@pytest.mark.parametrize("text", [RUNBOOK, METRICS], ids=["runbook.md", "metrics.md"])
def test_a_text_names_only_metrics_and_sections_that_there_are(text: str) -> None:
    names = known_series().keys() | {prometheus_name(metric) for metric in CATALOGUE}
    assert set(re.findall(r"\b(?:site:)?tocsin_[a-z0-9_]+(?::\w+)?", text)) - names == set()
    anchors = {f"#{heading.lower().replace(' ', '-')}" for heading in re.findall(r"^##* (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\((#[^)]+)\)", text)) - anchors == set()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(name: str) -> None:
    assert {fires for alert, fires in _cases() if alert == name} == {True, False}


def _cases() -> Iterator[tuple[str, bool]]:
    """Each alert that a case names, and whether it is to fire there."""
    for file in RULE_TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            yield from ((case["alertname"], bool(case["exp_alerts"])) for case in test.get("alert_rule_test", []))
            yield from (pair for case in test.get("promql_expr_test", []) for pair in _named(case))


def _named(case: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for name in re.findall(r'ALERTS\{alertname="(\w+)"', case["expr"]):
        yield name, bool(case["exp_samples"])


def test_a_case_names_only_alerts_that_there_are() -> None:
    assert {name for name, _ in _cases()} - alerts().keys() == set()


def test_a_case_gives_only_series_and_labels_that_there_are() -> None:
    series = {
        each["series"]
        for file in RULE_TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for each in test["input_series"]
        if "node" not in each["series"]
    }
    asked = [pair for each in series for pair in selectors(each)]
    assert len(asked) == len(series)
    assert [name for name, _ in asked if name not in known_series()] == []
    assert [(name, labels - known_series()[name]) for name, labels in asked if labels - known_series()[name]] == []


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_stands_in_the_table_with_both_names_its_unit_its_labels_and_its_meaning(metric: Metric) -> None:
    begins = f"| `{metric.name}` | `{prometheus_name(metric)}` | "
    row = next((line for line in METRICS.splitlines() if line.startswith(begins)), None)
    assert row is not None, f"deploy/metrics.md lacks a row that begins with {begins}"
    said = [f"`{metric.unit}`", *(f"`{label}`" for label in metric.labels), f"| {metric.meaning} |"]
    assert [each for each in said if each not in row] == []


def test_the_table_names_only_metrics_that_there_are() -> None:
    named = re.findall(r"^\| `(?:tocsin|http|rpc|process)[\w.]+` \| `(\w+)` \|", METRICS, re.MULTILINE)
    assert set(named) - {prometheus_name(metric) for metric in CATALOGUE} == set()


def serving() -> set[str]:
    """The processes that serve a metric, by the last column of the table."""
    columns = re.findall(r"^\| `(?:tocsin|http|rpc|process)[\w.]+` \| .+ \| ([a-z, ]+) \|$", METRICS, re.MULTILINE)
    return {process for column in columns for process in column.split(", ")}


def test_the_example_scrapes_each_kind_of_process_that_serves_a_metric() -> None:
    jobs = {each["job_name"] for each in yaml.safe_load((DEPLOY / "prometheus" / "scrape.example.yaml").read_text())["scrape_configs"]}
    assert jobs == {f"tocsin-{process}" for process in serving()}


@pytest.mark.parametrize("process", sorted(serving()))
def test_an_upgrade_replaces_each_kind_of_process(process: str) -> None:
    assert f"`tocsin {process}`" in (DEPLOY / "upgrade.md").read_text().split("## Roll back", maxsplit=1)[0]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_pointed_at_any_prometheus_and_site(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == file.stem
    assert {"datasource", "site"} <= {variable["name"] for variable in dashboard["templating"]["list"]}
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels if panel["datasource"]["uid"] != "${datasource}"] == []
    assert [panel["title"] for panel in panels if not panel["fieldConfig"]["defaults"]["unit"]] == []
    unbound = [panel["title"] for panel in panels for target in panel["targets"] if "$site" not in target["expr"]]
    assert set(unbound) <= {"Answer Prometheus"}, "up has no site"


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_no_panel_lies_over_another(file: Path) -> None:
    panels = [panel["gridPos"] for panel in json.loads(file.read_text())["panels"]]
    cells = [(at["x"] + x, at["y"] + y) for at in panels for x in range(at["w"]) for y in range(at["h"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_rules_record_each_series_once_and_name_each_alert_once() -> None:
    names = [rule.get("alert") or rule["record"] for rule in rules()]
    assert len(names) == len(set(names))


def test_variables_are_replaced_whole() -> None:
    assert without_variables('x{site=~"$site|"}[$__rate_interval]') == 'x{site=~".+|"}[5m]'
