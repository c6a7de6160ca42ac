"""What is known of one process from all its answers until now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tocsin.telemetry.top.growth import History, Scrape, with_scrape
from tocsin.telemetry.top.samples import Unreadable, parsed
from tocsin.telemetry.top.scrape import Answer

REASONS_MAX: Final = 8
"""Most reasons shown of one process that is not ready."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a process says at /ready."""

    live: bool | None = None
    """None where it did not say."""
    ready: bool | None = None
    reasons: tuple[str, ...] = ()
    """Why it is not live or not ready, a sentence each."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one process from all its answers until now."""

    address: str
    history: History = ()
    health: Health = Health()
    missing_because: str = ""
    """Why its latest answer held no metrics; empty where it did."""


def heard(before: Seen, answer: Answer) -> Seen:
    """What is known of the process after one answer more."""
    health = _health(answer.ready)
    if answer.metrics is None:
        return Seen(before.address, before.history, health, answer.missing_because)
    try:
        values = parsed(answer.metrics)
    except Unreadable as error:
        return Seen(before.address, before.history, health, f"/metrics: {error}")
    if not values:
        return Seen(before.address, before.history, health, "/metrics: no metric there is Tocsin's")
    return Seen(before.address, with_scrape(before.history, Scrape(answer.at_s, values)), health)


def _health(page: bytes | None) -> Health:
    try:
        found = orjson.loads(page or b"")
    except orjson.JSONDecodeError:
        return Health()
    return _health_of(found) if isinstance(found, dict) else Health()


def _health_of(page: Mapping[str, Any]) -> Health:
    live, ready = (value if isinstance(value := page.get(name), bool) else None for name in ("live", "ready"))
    said = [each for name in ("not_live_because", "not_ready_because") for each in _texts(page.get(name))]
    return Health(live, ready, tuple(dict.fromkeys(said))[:REASONS_MAX])


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
