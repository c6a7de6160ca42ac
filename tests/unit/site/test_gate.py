"""A gate refuses by the features alone, and is used with no other network than its own."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tocsin.errors import ConfigurationError
from tocsin.image.gate import acceptance
from tocsin.report.grounds import grounds_by
from tocsin.settings import ImageSettings
from tocsin.site.file import input_gate_of, localised
from tocsin.site.gate import InputGate, Refusals, written

from tests.builders import card, picture
from tests.support.gates import card_with_features, gate, gate_json
from tests.support.site_files import at_site, site_file

CARD = card_with_features()


def features(first: float) -> Any:
    return np.array([first, 9, -9, 9], np.float32)


@pytest.mark.parametrize(
    ("first", "refused"),
    [(0.4, False), (0.5, False), (0.6, True), (math.nan, True), (math.inf, True), (-math.inf, True)],
)
def test_what_lies_above_the_threshold_is_refused_and_so_is_what_is_no_number(first: float, refused: bool) -> None:
    assert gate(CARD).refuses(features(first)) is refused


def test_weights_are_written_as_they_are_read_back() -> None:
    weights = np.random.default_rng(3).normal(size=2048).astype(np.float32)
    np.testing.assert_array_equal(gate(CARD, weights.tolist()).vector, weights)
    assert base64.b64decode(written(np.array([1.0]))) == b"\x00\x00\x80\x3f"


@pytest.mark.parametrize(
    "weights",
    ["", "not base64!", base64.b64encode(b"12345").decode(), written(np.array([math.nan]))],
    ids=["none", "no base64", "five bytes", "not a number"],
)
def test_weights_that_are_no_numbers_are_refused(weights: str) -> None:
    with pytest.raises(ValidationError, match="weights must be"):
        InputGate.model_validate(gate_json(CARD) | {"weights": weights})


def test_figures_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValidationError):
        Refusals(refused=3, of=2, low=0, high=1)
    with pytest.raises(ValidationError):
        Refusals(refused=1, of=2, low=0.6, high=1)
    assert str(Refusals(refused=1, of=8, low=0.01, high=0.5)) == "1 of 8 (12.5 % [1.0, 50.0])"


def test_a_card_whose_network_answers_no_features_cannot_be_used_with_a_gate() -> None:
    plain = card()
    with pytest.raises(ConfigurationError, match=r"model build --features.*take input_gate out"):
        localised(plain, site_file(plain, input_gate=gate_json(CARD)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"served_sha256": "9" * 64}, "was trained on reader/3, network 999999999999"),
        ({"model": "reader/2"}, "was trained on reader/2"),
        ({"weights": written(np.ones(3))}, "has 3 weights, and the card 4 features"),
    ],
)
def test_a_gate_of_another_network_is_refused_with_what_to_do(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{why}.*train one with `tocsin gate train`"):
        at_site(CARD, input_gate=gate_json(CARD) | changes)


def test_a_card_at_a_site_with_a_gate_hands_it_on_and_one_without_has_none() -> None:
    assert input_gate_of(at_site(CARD, input_gate=gate_json(CARD))) == gate(CARD)
    assert input_gate_of(at_site(CARD)) is None
    assert input_gate_of(CARD) is None


def test_another_threshold_is_another_ground_for_a_verdict() -> None:
    def grounds(**changes: Any) -> Any:
        used = at_site(CARD, input_gate=gate_json(CARD, **changes))
        return grounds_by(used, acceptance(used, ImageSettings()), edition=0)(picture())

    assert grounds() == grounds(made_at="2026-06-01T10:00:00+02:00")
    assert grounds() != grounds(threshold=0.7)
