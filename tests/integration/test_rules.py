"""Prometheus itself reads what deploy/ gives it, and raises each alert when it should and not else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.absent import absent
from tests.support.queries import DEPLOY, RULE_TESTS, RULES, queries

WITHIN_S = 600
"""For days of made-up measurements, on a machine that does something else."""


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus's own tool, found on the PATH; Debian has it in its package prometheus."""
    found = shutil.which("promtool")
    if found is None:
        absent("no promtool on the PATH: apt-get install prometheus")
    return found


def said_by(command: list[str]) -> str:
    """What it said; fails the test where it says that something is wrong."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    told = f"{ran.stdout}\n{ran.stderr}"
    assert ran.returncode == 0, told
    return told


def test_prometheus_takes_the_rules(promtool: str) -> None:
    assert "SUCCESS" in said_by([promtool, "check", "rules", "--lint-fatal", str(RULES)])


def test_prometheus_takes_the_example_of_a_configuration(promtool: str) -> None:
    assert "SUCCESS" in said_by([promtool, "check", "config", str(DEPLOY / "prometheus" / "scrape.example.yaml")])


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_each_alert_fires_when_it_should_and_not_else(promtool: str, file: Path) -> None:
    assert "SUCCESS" in said_by([promtool, "test", "rules", str(file)])


def test_each_query_of_a_dashboard_is_one_that_prometheus_can_read(promtool: str, tmp_path: Path) -> None:
    asked = [{"record": f"query:{number}", "expr": query.expr} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    assert f"{len(asked)} rules found" in said_by([promtool, "check", "rules", str(file)])


def test_an_alert_that_does_not_fire_when_it_should_is_found_out(promtool: str, tmp_path: Path) -> None:
    cases = {"rule_files": [RULES.name], "evaluation_interval": "1m", "tests": [_case_of("TocsinEventUnended")]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases))
    (tmp_path / RULES.name).write_text(RULES.read_text())
    assert "SUCCESS" in said_by([promtool, "test", "rules", str(tmp_path / "cases.yaml")])
    (tmp_path / RULES.name).write_text(RULES.read_text().replace('{origin="live"}) > 900', '{origin="live"}) > 9000'))
    with pytest.raises(AssertionError, match="TocsinEventUnended"):
        said_by([promtool, "test", "rules", str(tmp_path / "cases.yaml")])


def _case_of(alert: str) -> Any:
    tests = [test for file in RULE_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    return next(test for test in tests if any(case["alertname"] == alert for case in test.get("alert_rule_test", [])))
