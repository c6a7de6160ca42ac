"""`tocsin settings-schema` says of every setting what it may be."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from tocsin.cli.commands import app
from tocsin.environment import variables
from tocsin.settings import Settings
from typer.testing import CliRunner

PRINTED: Final[Any] = json.loads(CliRunner().invoke(app, ["settings-schema"]).output)
FIELDS: Final = {field["x-variable"]: field for group in PRINTED["properties"].values() for field in group["properties"].values()}


def test_every_setting_is_there_with_its_variable_and_its_sentence() -> None:
    Draft202012Validator.check_schema(PRINTED)
    assert FIELDS.keys() == {each.name for each in variables(Settings).values() if not each.of_file}
    assert [name for name, field in FIELDS.items() if not field["description"]] == []


def test_a_setting_says_its_unit_its_default_and_its_bounds() -> None:
    stated = FIELDS["TOCSIN_CONSUME__DRAIN_TIMEOUT_S"]
    assert (stated["x-unit"], stated["default"], stated["exclusiveMinimum"]) == ("seconds", 10.0, 0)


def test_a_secret_says_that_it_is_one_and_states_no_default() -> None:
    secrets = {name for name, field in FIELDS.items() if field.get("writeOnly")}
    assert secrets == {each.name for each in variables(Settings).values() if each.secret and not each.of_file}
    assert [name for name in secrets if "default" in FIELDS[name]] == []


@pytest.mark.parametrize(
    ("group", "field", "taken", "refused"),
    [
        ("kafka", "bootstrap_servers", "a:9092,b:9092", "a"),
        ("fhir", "base_url", "https://fhir.example.org/r4/", "https://x:y@fhir.example.org"),
        ("triton", "grpc_url", "dns:///triton:8001", "http://triton:8001"),
        ("image", "url_origins_allowed", ["https://pacs.example.org"], ["https://pacs.example.org/wado"]),
        ("metrics", "processes", ["consume-0:9464"], ["consume-0:9464?x"]),
        ("kafka", "security_protocol", "SASL_SSL", "TLS"),
        ("traces", "ratio", 0.5, 1.5),
    ],
)
def test_the_schema_refuses_what_a_process_would_refuse(group: str, field: str, taken: object, refused: object) -> None:
    validator = Draft202012Validator(PRINTED)
    assert validator.is_valid({group: {field: taken}})
    assert not validator.is_valid({group: {field: refused}})
    Settings.model_validate({group: {field: taken}})
    with pytest.raises(ValueError, match="validation error"):
        Settings.model_validate({group: {field: refused}})


def test_a_setting_that_there_is_not_is_refused() -> None:
    assert not Draft202012Validator(PRINTED).is_valid({"kafka": {"bootstrap_server": "a:9092"}})
