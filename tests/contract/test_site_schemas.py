"""What lies in a site's folder keeps the contracts in schemas/models: the examples pass both schema and model, or fail both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError
from tocsin.site.parts import SiteFile
from tocsin.site.record import RECORD, read_record
from tocsin.site.written import to_yaml

from schemas.generate import CONTRACTS, FOLDER

KINDS = ("site-file", "promotion-protocol", "site-decision")
SCHEMAS = {kind: orjson.loads((FOLDER / f"models/{kind}.v1.schema.json").read_bytes()) for kind in KINDS}


def examples(kind: str) -> list[Any]:
    found = sorted(file for each in KINDS for file in (FOLDER / "examples" / kind / each).iterdir())
    return [pytest.param(file, id=f"{file.parent.name}/{file.stem}") for file in found]


def errors(file: Path) -> list[Any]:
    Draft202012Validator.check_schema(SCHEMAS[file.parent.name])
    validator = Draft202012Validator(SCHEMAS[file.parent.name], format_checker=FormatChecker())
    return list(validator.iter_errors(yaml.safe_load(file.read_bytes())))


def model(file: Path) -> Any:
    return CONTRACTS[f"models/{file.parent.name}.v1.schema.json"].model_validate(yaml.safe_load(file.read_bytes()))


def test_every_contract_of_a_site_has_valid_and_invalid_examples() -> None:
    for kind in ("valid", "invalid"):
        assert {each.id.partition("/")[0] for each in examples(kind)} == set(KINDS)


@pytest.mark.parametrize("file", examples("valid"))
def test_a_valid_example_passes_the_schema_and_the_model(file: Path) -> None:
    assert (errors(file), bool(model(file))) == ([], True)


@pytest.mark.parametrize("file", examples("invalid"))
def test_an_invalid_example_fails_the_model_and_the_schema(file: Path) -> None:
    with pytest.raises(ValidationError):
        model(file)
    assert errors(file)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_field_that_nobody_knows_is_refused_by_the_schema_too(schema: dict[str, Any]) -> None:
    """Also in every part: it may change a verdict, or be a patient's."""
    parts = [schema, *(each for each in schema["$defs"].values() if each["type"] == "object")]
    assert [each.get("title") for each in parts if each.get("additionalProperties") is not False] == []


def test_the_examples_of_site_files_are_as_they_are_written_today() -> None:
    for file in (FOLDER / "examples" / "valid" / "site-file").iterdir():
        assert to_yaml(SiteFile.model_validate(yaml.safe_load(file.read_bytes()))) == file.read_bytes(), file.name


def test_the_examples_of_decisions_are_one_whole_record(tmp_path: Path) -> None:
    lines = [(FOLDER / "examples/valid/site-decision" / f"{name}.jsonl").read_bytes() for name in ("registered", "promoted")]
    (tmp_path / RECORD).write_bytes(b"".join(lines))
    record = read_record(tmp_path)
    promoted = yaml.safe_load((FOLDER / "examples/valid/site-file/promoted.yaml").read_bytes())
    assert [each.what for each in record] == ["registered", "promoted"]
    assert record[1].protocol_sha256 == record[0].protocol_sha256 == promoted["evaluation"]["protocol_sha256"]
