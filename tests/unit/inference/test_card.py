"""A model card that contradicts itself, or is not one, is found out before the first event, and the message names the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from tocsin.errors import ConfigurationError
from tocsin.inference.card import ModelCard, read_card

from tests.builders import card

Change = Callable[[dict[str, Any]], object]


def written(tmp_path: Path, change: Change) -> Path:
    content = card().model_dump(mode="json")
    change(content)
    file = tmp_path / "card.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_card_reads_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_card(written(tmp_path, lambda _content: None)) == card()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content.pop("limits"), "limits"),
        (lambda content: content.update(limits=[]), "limits"),
        (lambda content: content.update(version="0"), "version"),
        (lambda content: content.update(colour="red"), "colour"),
        (lambda content: content["provenance"].update(served_sha256="abc"), "provenance.served_sha256"),
        (lambda content: content["accepts"].update(modalities=[]), "accepts.modalities"),
        (lambda content: content["operating_point"]["bands"].reverse(), "bands must begin at 0 and rise"),
        (lambda content: content["operating_point"]["bands"][0].update(at_least=0.01), "bands must begin at 0 and rise"),
        (lambda content: content["output"]["classes"][1].update(code="mel"), "a code stands twice"),
        (lambda content: [each.update(malignant=False) for each in content["output"]["classes"]], "none is malignant"),
        (lambda content: content["facts"]["site_codes"].pop("arm"), "site_codes must name every site"),
    ],
    ids=[
        "no-limits",
        "limits-empty",
        "version",
        "unknown-field",
        "hash",
        "no-modality",
        "falling",
        "gap-below",
        "twice",
        "all-benign",
        "site",
    ],
)
def test_a_card_that_is_wrong_is_named_with_the_place(tmp_path: Path, change: Change, place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        read_card(written(tmp_path, change))


def test_a_cards_schema_refuses_what_only_looks_like_a_card() -> None:
    content = card().model_dump(mode="json", exclude_none=True)
    validator = Draft202012Validator(ModelCard.model_json_schema())
    validator.validate(content)
    assert list(validator.iter_errors(content | {"colour": "red"}))
    assert list(validator.iter_errors({name: value for name, value in content.items() if name != "limits"}))
