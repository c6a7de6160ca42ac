"""A model card that contradicts itself, or is not one, is found out before the first event, and the message names the place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from tocsin.errors import ConfigurationError
from tocsin.model_card import ModelCard, read_card

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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("limits"), "limits is missing"),
        (lambda content: content.update(limit=["x"]), r"limit is no key here: did you mean limits\?"),
        (lambda content: content["accepts"].update(modalties=[]), r"accepts.modalties is no key here: did you mean modalities\?"),
        (
            lambda content: content["output"]["classes"][1].update(malign=True),
            r"classes.1.malign is no key here: did you mean malignant\?",
        ),
        (lambda content: content.update(version=1), "version must be text"),
        (lambda content: content.update(version="0"), "version has a form that its schema does not allow"),
        (lambda content: content["image"].update(height="large"), "image.height must be a whole number"),
        (lambda content: content["image"].update(height=0), "image.height must be above 0"),
        (lambda content: content["image"].update(datatype="FP64"), "image.datatype must be 'FP16' or 'FP32'"),
        (lambda content: content["operating_point"]["bands"][0].update(flagged="perhaps"), "bands.0.flagged must be true or false"),
        (lambda content: content["operating_point"]["bands"][1].update(at_least=2), "bands.1.at_least must not be above 1"),
        (lambda content: content.update(accepts=[]), "accepts is not a value that its schema allows"),
    ],
)
def test_what_is_wrong_with_a_card_is_said_in_plain_words(tmp_path: Path, change: Change, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        read_card(written(tmp_path, change))
    pydantics = ("Value error", "Input should", "String should", "Extra inputs", "Field required")
    assert not any(words in str(refused.value) for words in pydantics)
