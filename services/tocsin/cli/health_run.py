"""Does what `tocsin health` asks for. Imports no parser and no model of settings: a supervisor asks every few seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.network import HOST
from tocsin.telemetry.top.scrape import Unanswered, told

QUESTIONS: Final = ("live", "ready")
"""Names of the health pages."""
UNSET: Final = {"HOST": "0.0.0.0", "PORT": "9464", "ANSWER_TIMEOUT_S": "2.0"}
"""Field of the metrics' settings -> what it is where nothing is said. A test holds these to MetricsSettings."""
_ANY: Final = {"0.0.0.0": HOST, "::": "[::1]"}
"""Address that means every one of this machine -> where this machine answers then."""


def run(question: str) -> int:
    """Ask the page, say on standard error why the answer is no, and give the exit code. Raises ConfigurationError."""
    address, within_s = _listening(os.environ)
    try:
        status, body = told(address, f"/{question}", within_s)
    except Unanswered as reason:
        return _no(question, str(reason))
    return 0 if status == 200 else _no(question, "; ".join(_reasons(body, question)) or f"HTTP {status}")


def _no(question: str, why: str) -> int:
    print(f"not {question}: {why}", file=sys.stderr)
    return 1


def _listening(environment: Mapping[str, str]) -> tuple[str, float]:
    """Where the process answers, and how long to wait for it in seconds; the other settings are the process's own affair."""
    host, port, within_s = (environment.get(f"TOCSIN_METRICS__{field}", unset) for field, unset in UNSET.items())
    if port == "0":
        raise ConfigurationError("TOCSIN_METRICS__PORT is 0, any free one: set it to the port of the process that is meant")
    try:
        return f"http://{_ANY.get(host, f'[{host}]' if ':' in host else host)}:{int(port)}", float(within_s)
    except ValueError:
        raise ConfigurationError("TOCSIN_METRICS__PORT or TOCSIN_METRICS__ANSWER_TIMEOUT_S is no number") from None


def _reasons(body: bytes, question: str) -> list[str]:
    """Why not, as the page says; none where it is no page of Tocsin's."""
    try:
        page = json.loads(body)
    except ValueError:
        return []
    reasons = page.get(f"not_{question}_because") if isinstance(page, dict) else None
    return [str(reason) for reason in reasons] if isinstance(reasons, list) else []
