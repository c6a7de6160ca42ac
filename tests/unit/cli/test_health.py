"""A supervisor that can only run a command is told by its exit code how the process is."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from tocsin.cli.health_run import UNSET
from tocsin.network import HOST, free_ports
from tocsin.settings import MetricsSettings

from tests.support.web import Reply, Web, web

WITHIN_S = 60


def asked(question: str, port: int, **variables: str) -> tuple[int, str]:
    """Exit code and last line of standard error of `tocsin health`."""
    given = {"TOCSIN_METRICS__PORT": str(port), "TOCSIN_METRICS__ANSWER_TIMEOUT_S": "20", **variables}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | given
    argv = [sys.executable, "-m", "tocsin", "health", question]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.stdout == ""
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def port_of(site: Web) -> int:
    return urlsplit(site.origin).port or 0


def test_yes_no_and_no_answer_are_told_apart_with_the_reasons_of_the_page() -> None:
    with web() as site:
        site.replies |= {
            "/live": Reply(200, b"{}"),
            "/ready": Reply(503, b'{"not_ready_because": ["fhir: no answer", "triton: waited for"]}'),
        }
        assert asked("live", port_of(site)) == (0, "")
        assert asked("ready", port_of(site), TOCSIN_KAFKA__GROUP="no setting of this command") == (
            1,
            "not ready: fhir: no answer; triton: waited for",
        )
        site.replies["/live"] = Reply(500, b"<html>")
        assert asked("live", port_of(site)) == (1, "not live: HTTP 500")
    assert asked("live", free_ports(1)[0]) == (1, "not live: connection refused")


@pytest.mark.parametrize("port", ["0", "http"])
def test_a_port_that_is_none_is_a_setting_to_mend(port: str) -> None:
    code, said = asked("live", 0, TOCSIN_METRICS__PORT=port)
    assert code == 78
    assert "TOCSIN_METRICS__PORT" in said


def test_what_is_asked_for_is_one_of_two() -> None:
    assert asked("alive", 1)[0] == 2


def test_without_settings_it_asks_where_a_process_without_settings_answers() -> None:
    metrics = MetricsSettings()
    assert {"HOST": metrics.host, "PORT": str(metrics.port), "ANSWER_TIMEOUT_S": str(metrics.answer_timeout_s)} == UNSET
    assert HOST == "127.0.0.1"
