"""What `tocsin check` said of the parts, as its --json says it."""

from __future__ import annotations

from typing import Any

Card = dict[str, Any]


def failed(checks: list[Card]) -> list[tuple[str, str]]:
    """Part and what, each with a fix; what passed needs none."""
    assert all(bool(each["fix"]) == (each["passed"] is False or each["warning"]) and each["found"] for each in checks)
    return [(each["part"], each["what"]) for each in checks if each["passed"] is False]
