"""tocsin settings-schema: prints what every setting may be, as a JSON Schema."""

from __future__ import annotations

from typing import Any, Final

import orjson
import typer

from tocsin.environment import Variable, variables
from tocsin.setting_words import unit_of
from tocsin.settings import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def settings_schema() -> None:
    """Print a JSON Schema of all settings, with each one's unit, default and what it is for.

    It is of draft 2020-12: an object of groups, closed at every level. Each setting states its variable (x-variable), its unit (x-unit),
    its default and what it is for; one that is a secret says writeOnly and has no default. The Helm chart's values.schema.json is made
    of it.

    Example, which settings are secrets:

    tocsin settings-schema | jq '.. | objects | select(.writeOnly) | ."x-variable"'

    Exit codes: 0 printed.
    """
    typer.echo(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode())


def schema() -> Schema:
    """The settings' schema, without references: every group stands in its place."""
    made = Settings.model_json_schema(mode="validation")
    parts: dict[str, Schema] = made["$defs"]
    known = [each for each in variables(Settings).values() if not each.of_file]
    groups = {name: _group(_inline(each, parts)) for name, each in made["properties"].items()}
    for each in known:
        groups[each.group]["properties"][each.field] |= _facts(each)
    return {"$schema": DIALECT, "title": "Settings of Tocsin", **_closed(groups)}


def _group(stated: Schema) -> Schema:
    return {"description": stated["description"], **_closed(stated["properties"])}


def _closed(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _facts(variable: Variable) -> Schema:
    """What a schema of pydantic does not say of a setting."""
    unit = unit_of(variable.field)
    return {"x-variable": variable.name} | ({"x-unit": unit} if unit else {})


def _inline(stated: Any, parts: dict[str, Schema]) -> Any:
    """The schema with each reference replaced by what it names, and without null: a setting that is not stated has its default."""
    if isinstance(stated, list):
        return [_inline(each, parts) for each in stated]
    if not isinstance(stated, dict):
        return stated
    own = {name: _inline(each, parts) for name, each in stated.items() if name not in _LEFT_OUT}
    if "$ref" in own:
        own = _inline(parts[own.pop("$ref").rpartition("/")[2]], parts) | own
    if "anyOf" in own:
        kinds = [each for each in own.pop("anyOf") if each != {"type": "null"}]
        own = (kinds[0] if len(kinds) == 1 else {"anyOf": kinds}) | own
    if "patternProperties" in own:
        own["additionalProperties"] = False
    return {name: each for name, each in own.items() if name != "default" or (each is not None and not own.get("writeOnly"))}


_LEFT_OUT: Final = frozenset({"title"})
"""Keywords of pydantic's that repeat a setting's name."""
