"""What is generated into the chart is current, and the whole chart speaks of settings that there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft7Validator
from tocsin.environment import variables
from tocsin.settings import Settings

from helm.generate import FILES, OWN, written
from tests.deploy.chart.helm import CHART, CI, ROOT

SCHEMA: Any = orjson.loads((CHART / "values.schema.json").read_bytes())


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_current(name: str) -> None:
    assert (CHART / name).read_bytes() == written(FILES[name]()), "run .venv/bin/python -m helm.generate"


def test_the_schema_is_one_that_helm_3_understands() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_every_setting_has_one_place_in_the_values() -> None:
    places = [f"{group}.{field}" for part in ("settings", "secrets", "files") for group, field in _fields(part)]
    doubled = {place for place in places if places.count(place) > 1}
    with_passwords = {
        "cds.proxy_url",
        "fhir.proxy_url",
        "image.proxy_url",
        "redis.url",
        "serve.proxy_url",
    }
    assert doubled == with_passwords  # a secret for the password in it alone
    assert set(places) | OWN == {f"{each.group}.{each.field}" for each in variables(Settings).values()}


def _fields(part: str) -> Iterator[tuple[str, str]]:
    for group, stated in SCHEMA["properties"][part]["properties"].items():
        yield from ((group, field) for field in stated["properties"])


def test_the_schema_is_closed_at_every_level() -> None:
    assert list(_open(SCHEMA, "")) == ["/definitions/global"]


def _open(schema: Any, place: str) -> Iterator[str]:
    if isinstance(schema, dict):
        if "object" in schema.get("type", "") and "additionalProperties" not in schema and "properties" not in place.rpartition("/")[2]:
            yield place
        for name, each in schema.items():
            yield from _open(each, f"{place}/{name}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _open(each, f"{place}/{number}")


def test_every_value_of_values_yaml_is_in_the_schema_and_every_part_of_the_schema_in_values_yaml() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(Draft7Validator(SCHEMA).iter_errors(values)) == []
    assert values.keys() == SCHEMA["properties"].keys()
    for name in ("consume", "work", "beat", "serve", "checks", "networkPolicy", "monitoring", "image", "modelCard"):
        stated = SCHEMA["properties"][name]
        stated = SCHEMA["definitions"]["image"] if "$ref" in stated else stated
        assert values[name].keys() == stated["properties"].keys(), name


@pytest.mark.parametrize("way", CI)
def test_a_way_to_install_begins_with_a_comment_that_says_whose_it_is(way: str) -> None:
    assert CI[way].read_text().startswith("# ")


@pytest.mark.parametrize(("link", "source"), [("rules.yaml", "deploy/prometheus/rules.yaml"), ("dashboards", "deploy/grafana")])
def test_rules_and_dashboards_have_their_one_source_in_deploy(link: str, source: str) -> None:
    file: Path = CHART / "files" / link
    assert file.is_symlink()
    assert file.resolve() == ROOT / source


def test_the_readme_installs_the_minimal_way() -> None:
    stated = (CHART / "README.md").read_text().partition("<<'END'\n")[2].partition("END\n")[0]
    assert yaml.safe_load(stated) == yaml.safe_load(CI["minimal"].read_text())
