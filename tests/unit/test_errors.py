"""Every refusal tells an operator what happened and what to do; every wait says whose fault it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tocsin
from tocsin import errors
from tocsin.errors import refusals


def test_every_refusal_has_its_own_reason_a_sentence_and_advice() -> None:
    kinds = list(refusals())
    assert len({kind.reason for kind in kinds}) == len(kinds)
    assert all(kind.__doc__ and kind.__doc__.strip().endswith(".") and kind.advice.endswith(".") for kind in kinds)


def test_the_advice_of_every_dead_letter_ends_in_a_replay_or_a_closure() -> None:
    advised = {kind.reason: kind.advice for kind in refusals() if kind.reason in errors.reasons()}
    assert len(advised) == len(errors.reasons())
    assert [reason for reason, advice in advised.items() if "dead letter" not in advice] == []
    assert [reason for reason, advice in advised.items() if not {"replay", "close"} & set(re.findall("[a-z]+", advice.lower()))] == []


def test_a_wait_is_always_for_a_neighbour_or_for_a_race_and_never_merely_a_wait() -> None:
    """What says only that it waits would either stop every event for one, or none for a neighbour that is away."""
    assert {kind.__name__ for kind in errors.Deferred.__subclasses__()} == {"Unavailable", "Contended"}
    made = [
        f"{path}:{node.lineno}"
        for path in Path(tocsin.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) == "Deferred"
    ]
    assert made == []


def _name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
