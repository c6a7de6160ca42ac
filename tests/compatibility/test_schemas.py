"""The contracts' version 1 only ever gains optional fields, so that any version's reader reads any version's writer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.generate import CONTRACTS
from schemas.generate import FOLDER as NOW
from tests.compatibility.growth import breaks

BEGAN = Path(__file__).with_name("schemas")
EVENTS = sorted(name.partition("/")[2] for name in CONTRACTS if name.startswith("events/"))


def schema(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((folder / name).read_bytes())
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_a_contract_has_only_gained_optional_fields_since_its_version_began(name: str) -> None:
    assert list(breaks(schema(BEGAN, name), schema(NOW / "events", name))) == []


def letter_with(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    began = schema(BEGAN, "dead-letter.v1.schema.json")
    changed = copy.deepcopy(began)
    change(changed)
    return list(breaks(began, changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].update(lens={"type": "string"}),
        lambda schema: schema["$defs"]["Original"]["properties"].update(lens={"type": "string"}),
        lambda schema: schema["properties"]["reason"].update(description="Another word."),
        lambda schema: schema["required"].reverse(),
    ],
    ids=["an optional field", "an optional field within", "other words", "another order"],
)
def test_what_every_reader_bears_is_no_break(change: Callable[[dict[str, Any]], Any]) -> None:
    assert letter_with(change) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].pop("advice"),
        lambda schema: schema["required"].append("lens"),
        lambda schema: schema["required"].remove("original"),
        lambda schema: schema.update(additionalProperties=False),
        lambda schema: schema["properties"]["attempts"].update(type="string"),
        lambda schema: schema["properties"]["class"]["enum"].append("strange"),
        lambda schema: schema["properties"]["detail"].update(maxLength=100),
        lambda schema: schema["$defs"]["Original"]["properties"].pop("headers"),
        lambda schema: schema["$defs"].pop("Header"),
    ],
    ids=["gone", "wanted", "wanted no more", "closed", "another type", "another word", "shorter", "gone within", "part gone"],
)
def test_what_an_older_reader_or_writer_would_not_bear_is_told(change: Callable[[dict[str, Any]], Any]) -> None:
    assert len(letter_with(change)) == 1
