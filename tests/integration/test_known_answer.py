"""A picture whose answer is known tells whether Triton serves the card's network: the tensors of another may look the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tocsin.errors import ConfigurationError
from tocsin.inference.known import FILE, furthest, read_known_answer
from tocsin.inference.preflight import KNOWN, triton_preflight
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.demo.lesions import lesion
from tocsin.sandbox.triton import Triton
from tocsin.settings import TritonSettings
from tocsin.telemetry.preflight import Check

CARD = packaged(REFERENCE_CARD)


def known_answer(triton: Triton, card: Path) -> Check:
    return {each.what: each for each in triton_preflight(TritonSettings(grpc_url=triton.grpc_url), read_card(card), card)}[KNOWN]


def beside(folder: Path, card_changes: dict[str, object], known_changes: dict[str, object]) -> Path:
    """The reference card and its known answer in a folder of their own, changed so."""
    card, known = yaml.safe_load(CARD.read_text()), yaml.safe_load((CARD.parent / FILE).read_text())
    (folder / "card.yaml").write_text(yaml.safe_dump(card | card_changes))
    (folder / FILE).write_text(yaml.safe_dump(known | known_changes))
    (folder / known["picture"]).write_bytes((CARD.parent / known["picture"]).read_bytes())
    return folder / "card.yaml"


def test_the_reference_model_answers_as_it_did_when_its_card_was_made(reference_triton: Triton) -> None:
    found = known_answer(reference_triton, CARD)
    assert (found.passed, "tolerance 0.01" in found.found) == (True, True)


def test_another_network_with_the_same_tensors_is_found_out(triton: Triton, tmp_path: Path) -> None:
    found = known_answer(triton, beside(tmp_path, {"name": "noop"}, {"model": "noop/1"}))
    assert (found.passed, found.found) == (False, "nv 0.1429, known 0.9627, tolerance 0.01")
    assert "2bc646ce2dcd" in found.fix


def test_a_card_without_a_known_answer_is_said_to_have_none_and_neither_passes_nor_fails(triton: Triton, noop_card: Path) -> None:
    found = known_answer(triton, noop_card)
    assert (found.passed, found.found, found.fix) == (None, f"not looked at: no {FILE} beside the card", "")


def test_a_known_answer_of_another_model_or_network_fails_the_check(triton: Triton, tmp_path: Path) -> None:
    found = known_answer(triton, beside(tmp_path, {"name": "noop"}, {}))
    assert (found.passed, "sklesion/1" in found.found) == (False, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"served_sha256": "0" * 64},
        {"model": "sklesion/2"},
        {"picture_sha256": "0" * 64},
        {"picture": "absent.jpg"},
        {"probabilities": {"mel": 1.0}},
        {"tolerance": 0},
        {"unknown": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_known_answer_that_does_not_belong_to_the_card_or_is_damaged_is_named(changes: dict[str, object], tmp_path: Path) -> None:
    card = beside(tmp_path, {}, changes)
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        read_known_answer(card, read_card(card))


def test_the_picture_beside_the_reference_card_is_the_one_that_tocsin_draws() -> None:
    known = read_known_answer(CARD, read_card(CARD))
    assert known is not None
    assert known[1] == lesion(30)


def test_a_number_that_is_none_lies_furthest() -> None:
    known = read_known_answer(CARD, read_card(CARD))
    assert known is not None
    answered = dict(known[0].probabilities) | {"df": float("nan"), "nv": 0.0}
    assert furthest(answered, known[0]) == ("df", float("inf"))
