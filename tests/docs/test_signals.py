"""Each fault of deploy/operations.md says by which metric, alert and line an SRE sees it, and all of these are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, get_args

import pytest
from tocsin.errors import reasons
from tocsin.image.types import ObstacleCode

from tests.support.queries import DEPLOY, alerts, known_series, rules, selectors

OPERATIONS: Final = (DEPLOY / "operations.md").read_text()
METRICS: Final = (DEPLOY / "metrics.md").read_text()
HEAD: Final = "| fault | what Tocsin does | what you see | metric and alert | bound | test |"
NONE: Final = re.compile(r"none: \S.{10,}")
"""A fault that no metric shows says why nobody needs one."""


@dataclass(frozen=True)
class Row:
    """One row of the table of faults."""

    fault: str
    seen: str
    signal: str

    @property
    def queries(self) -> list[str]:
        """The metrics it names, with what they are matched by."""
        return re.findall(r"`([^`]+)`", self.signal.split("[", maxsplit=1)[0])

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """The alerts it names, and where the links lead."""
        return re.findall(r"\[(\w+)\]\(([^)]+)\)", self.signal)


def rows() -> Iterator[Row]:
    table = OPERATIONS.split(f"{HEAD}\n", maxsplit=1)[1].split("\n\n", maxsplit=1)[0]
    for line in table.splitlines()[1:]:
        fault, _, seen, signal, _, _ = (cell.strip() for cell in line.strip("|").split("|"))
        yield Row(fault, seen, signal)


ROWS: Final = tuple(rows())
SHOWN: Final = tuple(row for row in ROWS if not NONE.fullmatch(row.signal))


def name(row: Row) -> str:
    return row.fault[:60]


def test_most_faults_have_a_metric_and_an_alert() -> None:
    assert len(ROWS) > 80
    assert len(SHOWN) > 0.75 * len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_fault_names_what_is_seen_of_it_and_either_metric_and_alert_or_why_there_is_none(row: Row) -> None:
    assert row.seen
    assert bool(row.queries and row.alerts) != bool(NONE.fullmatch(row.signal))


@pytest.mark.parametrize("row", SHOWN, ids=name)
def test_a_fault_names_metrics_with_labels_and_values_that_there_are(row: Row) -> None:
    asked = [each for query in row.queries for each in selectors(query)]
    assert len(asked) == len(row.queries)
    assert [series for series, _ in asked if series not in known_series()] == []
    assert [(series, labels - known_series()[series]) for series, labels in asked if labels - known_series()[series]] == []
    matched = {(series, value) for query in row.queries for series, value in _matched(query)}
    assert [(series, value) for series, value in matched if value not in _values(series)] == []


def _matched(query: str) -> Iterator[tuple[str, str]]:
    """Series and code of each matcher; a number is no code."""
    series = query.partition("{")[0]
    yield from ((series, value) for value in re.findall(r'="([a-z][^"]+)"', query))


@cache
def _values(series: str) -> frozenset[str]:
    """The codes that a series' row of deploy/metrics.md names, and the reasons that the row refers to."""
    base = re.sub("_(count|sum|bucket)$", "", series)
    row = " ".join(line for line in METRICS.splitlines() if f"`{base}`" in line)
    return frozenset(re.findall(r"[\w-]+", row)) | reasons() | set(get_args(ObstacleCode))


@pytest.mark.parametrize("row", SHOWN, ids=name)
def test_a_fault_names_alerts_that_there_are_with_their_sections_of_the_runbook(row: Row) -> None:
    assert [alert for alert, _ in row.alerts if alert not in alerts()] == []
    assert [target for alert, target in row.alerts if f"deploy/{target}" != alerts()[alert]["annotations"]["runbook_url"]] == []


@pytest.mark.parametrize("row", SHOWN, ids=name)
def test_each_alert_of_a_fault_asks_for_one_of_its_metrics(row: Row) -> None:
    named = {query.partition("{")[0] for query in row.queries}
    assert [alert for alert, _ in row.alerts if not named & _asked(alerts()[alert]["expr"])] == []


@cache
def _asked(expr: str) -> frozenset[str]:
    """Every series that a query asks for, itself or by what is recorded."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    asked = {series for series, _ in selectors(expr)}
    return frozenset(asked).union(*(_asked(recorded[series]) for series in asked & recorded.keys()))


OTHER: Final = re.compile(r"/\w+|tocsin [\w -]+|TOCSIN_\w+|--[a-z]+")
"""In the same cell: pages, commands and their options, settings."""


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_line_that_a_fault_is_seen_by_is_written_by_the_program(row: Row) -> None:
    quoted = [each for each in re.findall(r"`([^`]+)`", row.seen) if not OTHER.fullmatch(each) and each not in known_series()]
    assert [each for each in quoted if each not in _written()] == []


def test_only_what_the_program_can_write_counts_as_its_line() -> None:
    assert "dead-lettered" in _written()
    assert "Structured logs that cannot carry a person's name" not in _written(), "a docstring is not"


@cache
def _written() -> str:
    """Every string literal of the program but for docstrings."""
    trees = [ast.parse(file.read_text()) for file in sorted((DEPLOY.parent / "services" / "tocsin").rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return "\n".join(
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )
