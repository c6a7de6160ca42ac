"""The contracts in schemas/ are the ones the code keeps: every valid example passes both, every invalid one fails both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, ValidationError
from tocsin.kafka.topics import read_topics, topic_names
from tocsin.model_card import ModelCard, read_card
from tocsin.settings import KafkaSettings

from schemas.code_systems import code_systems
from schemas.generate import CONTRACTS, FOLDER, files
from schemas.reports import examples as examples_of_reports
from tests.unit.report.resources.test_compose import codings_in

EVENTS = {name.partition("/")[2].partition(".")[0]: name for name in CONTRACTS if name.startswith("events/")}
CARDS = sorted((FOLDER.parent / "deploy" / "triton").glob("*/card.yaml"))


def examples(kind: str) -> list[Any]:
    found = sorted((FOLDER / "examples" / kind).glob("*/*.json"))
    return [pytest.param(file, id=f"{file.parent.name}/{file.stem}") for file in found]


def contract_of(file: Path) -> tuple[Draft202012Validator, type[BaseModel]]:
    name = EVENTS[file.parent.name]
    schema = orjson.loads((FOLDER / name).read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker()), CONTRACTS[name]


MADE = dict(files())


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_what_the_code_makes_of_it(name: str) -> None:
    """Schemas by the models that enforce them, code systems by what holds the codes, example reports by what composes reports."""
    assert (FOLDER / name).read_bytes() == MADE[name], "run: python -m schemas.generate"


@pytest.mark.parametrize("name", examples_of_reports())
def test_a_report_calls_each_of_our_codes_by_a_name_that_its_code_system_has(name: str) -> None:
    systems = {each["url"]: {concept["code"]: concept for concept in each["concept"]} for each in code_systems().values()}
    own = [each for each in codings_in(examples_of_reports()[name]) if each["system"] in systems]
    for coding in own:
        concept = systems[coding["system"]][coding["code"]]
        assert coding["display"] in (concept["display"], *(each["value"] for each in concept["designation"])), coding
    assert own


@pytest.mark.parametrize("folder", ["fhir", "examples/reports"])
def test_no_file_stands_among_those_that_nothing_makes(folder: str) -> None:
    assert {f"{folder}/{file.name}" for file in (FOLDER / folder).iterdir()} <= MADE.keys()


def test_every_event_contract_has_valid_and_invalid_examples() -> None:
    for kind in ("valid", "invalid"):
        assert {folder.name for folder in (FOLDER / "examples" / kind).iterdir() if list(folder.glob("*.json"))} == set(EVENTS)


@pytest.mark.parametrize("file", examples("valid"))
def test_a_valid_example_passes_the_schema_and_the_model(file: Path) -> None:
    validator, model = contract_of(file)
    validator.validate(orjson.loads(file.read_bytes()))
    model.model_validate_json(file.read_bytes())


@pytest.mark.parametrize("file", examples("invalid"))
def test_an_invalid_example_fails_the_model_and_the_schema(file: Path) -> None:
    validator, model = contract_of(file)
    with pytest.raises(ValidationError):
        model.model_validate_json(file.read_bytes())
    if file.stem != "time-without-offset":  # JSON Schema's date-time check needs a package of its own in most validators
        assert list(validator.iter_errors(orjson.loads(file.read_bytes())))


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.parent.name)
def test_every_model_card_fits_its_schema(file: Path) -> None:
    schema = orjson.loads((FOLDER / "models/model-card.v1.schema.json").read_bytes())
    Draft202012Validator(schema).validate(yaml.safe_load(file.read_bytes()))
    assert isinstance(read_card(file), ModelCard)


def test_every_topic_the_settings_name_has_a_file_and_a_schema() -> None:
    topics = read_topics(FOLDER / "topics")
    assert {topic.topic for topic in topics} == set(topic_names(KafkaSettings()).values())
    assert [topic.topic for topic in topics if not (FOLDER / topic.value).is_file()] == []


def test_every_topic_file_is_named_after_its_topic() -> None:
    assert [
        file.name for file in sorted((FOLDER / "topics").iterdir()) if file.name != f"{yaml.safe_load(file.read_text())['topic']}.yaml"
    ] == []


def test_every_dead_letter_topic_a_topic_names_has_a_file() -> None:
    topics = read_topics(FOLDER / "topics")
    assert {topic.dead_letters for topic in topics if topic.dead_letters} <= {topic.topic for topic in topics}
