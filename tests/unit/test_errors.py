"""Every refusal tells an operator what happened and what to do."""

from __future__ import annotations

from tocsin.errors import refusals


def test_every_refusal_has_its_own_reason_a_sentence_and_advice() -> None:
    kinds = list(refusals())
    assert len({kind.reason for kind in kinds}) == len(kinds)
    assert all(kind.__doc__ and kind.__doc__.strip().endswith(".") and kind.advice.endswith(".") for kind in kinds)
