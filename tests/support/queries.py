"""What deploy/ asks Prometheus: every query of the rules and dashboards, and the series and labels that can answer them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from opentelemetry.semconv._incubating.attributes import otel_attributes
from opentelemetry.semconv._incubating.metrics import otel_metrics
from opentelemetry.semconv.attributes import error_attributes
from tocsin.telemetry.instruments import Counter, Histogram, Metric, Total
from tocsin.telemetry.metrics import CATALOGUE

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
RULES: Final = DEPLOY / "prometheus" / "rules.yaml"
RULE_TESTS: Final = tuple(sorted((DEPLOY / "prometheus").glob("*_test.yaml")))
DASHBOARDS: Final = tuple(sorted((DEPLOY / "grafana").glob("*.json")))

EVERYWHERE: Final = frozenset(("site", "model_version", "job", "instance", "process"))
"""Labels of every series: two of the resource, two of Prometheus's own."""
PROMETHEUS: Final = {
    "up": frozenset(("job", "instance")),
    "ALERTS": EVERYWHERE | {"alertname", "alertstate", "severity"},
}

UNITS: Final = {"s": "seconds", "By": "bytes"}
"""Units that become part of a name; the others of the catalogue do not."""
VARIABLES: Final = {"$__rate_interval": "5m", "$__range": "6h", "$model_version": ".+", "$site": ".+"}
"""Grafana's variables, the longer name first, and what stands for them where a query is tried without Grafana."""


def as_label(name: str) -> str:
    """OpenTelemetry's name of an attribute as Prometheus's text format has it."""
    return re.sub(r"[^a-zA-Z0-9]+", "_", name)


def prometheus_name(metric: Metric) -> str:
    """The metric's name in Prometheus's text format; a histogram's series have a suffix besides."""
    name, unit = as_label(metric.name), UNITS.get(metric.unit)
    if unit is not None and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return f"{name}_total" if isinstance(metric, Counter | Total) else name


def series_of(metric: Metric) -> Mapping[str, frozenset[str]]:
    """The metric's series, each with its labels."""
    name, labels = prometheus_name(metric), EVERYWHERE | {as_label(label) for label in metric.labels}
    if isinstance(metric, Histogram):
        return {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return {name: labels}


def sdk_series() -> Mapping[str, frozenset[str]]:
    """The counters that OpenTelemetry's SDK keeps of what it drops, each with its labels."""
    processor = {otel_attributes.OTEL_COMPONENT_TYPE, otel_attributes.OTEL_COMPONENT_NAME, error_attributes.ERROR_TYPE}
    counters = {
        otel_metrics.OTEL_SDK_PROCESSOR_SPAN_PROCESSED: processor,
        otel_metrics.OTEL_SDK_PROCESSOR_LOG_PROCESSED: processor,
    }
    return {f"{as_label(name)}_total": EVERYWHERE | set(map(as_label, labels)) for name, labels in counters.items()}


@cache
def rules() -> tuple[Mapping[str, Any], ...]:
    """Every recording and alerting rule, as the file has them."""
    return tuple(rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"])


@cache
def alerts() -> Mapping[str, Mapping[str, Any]]:
    """Every alert by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@dataclass(frozen=True)
class Query:
    """One query in PromQL."""

    where: str
    """Its alert, record, or dashboard and panel."""
    expr: str


def queries() -> list[Query]:
    """Every query of rules.yaml and of the dashboards, with Grafana's variables replaced, so that Prometheus itself can be asked it."""
    ruled = [Query(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    return [*ruled, *dashboard_queries()]


def dashboard_queries() -> list[Query]:
    """Every query of the dashboards alone, as `queries` gives it."""
    return [each for file in DASHBOARDS for each in _of_dashboard(json.loads(file.read_text()))]


def _of_dashboard(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    for each in [*dashboard["panels"], *dashboard["annotations"]["list"]]:
        where = f"{dashboard['title']}: {each.get('title') or each.get('name')}"
        for target in each.get("targets", [each] if "expr" in each else []):
            yield Query(where, without_variables(target["expr"]))


def without_variables(expr: str) -> str:
    """The query with Grafana's variables replaced."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


@cache
def known_series() -> Mapping[str, frozenset[str]]:
    """Everything that a query may ask for, with its labels; of a recorded series those that its rule names or takes over."""
    known = {**PROMETHEUS, **sdk_series()}
    for metric in CATALOGUE:
        known |= series_of(metric)
    for rule in rules():
        if "record" in rule:
            known[rule["record"]] = _recorded(rule["expr"], known)
    return known


def _recorded(expr: str, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    taken_over = [known[name] for name, _ in selectors(expr) if ":" in name and name in known]
    return grouping_labels(expr).union(*taken_over)


_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE: Final = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_SELECTOR: Final = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(?!\s*\(|[\w:])")
_MATCHER: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS: Final = frozenset(("and", "or", "unless", "bool", "offset", "by", "on", "ignoring", "group_left", "group_right"))


def selectors(expr: str) -> list[tuple[str, frozenset[str]]]:
    """Every series that a query selects, with the labels that it is matched by."""
    bare = _RANGE.sub(" ", _GROUPING.sub(" ", _STRING.sub('""', expr)))
    found = [(match[1], frozenset(_MATCHER.findall(match[2] or ""))) for match in _SELECTOR.finditer(bare)]
    return [(name, labels) for name, labels in found if name not in _WORDS]


def grouping_labels(expr: str) -> frozenset[str]:
    """Every label that a query groups, joins or keeps by."""
    lists = (match[2] for match in _GROUPING.finditer(_STRING.sub('""', expr)))
    return frozenset(label.strip() for each in lists for label in each.split(",") if label.strip())
