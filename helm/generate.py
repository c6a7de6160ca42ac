"""Writes what the chart takes from the settings: values.schema.json, by which Helm refuses a wrong value, and files/defaults.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from tocsin.cli.settings_schema import schema as settings_schema

FOLDER: Final = Path(__file__).parent
CHART: Final = FOLDER / "tocsin"
OWN: Final = frozenset(
    {
        "fhir.bearer_token_file",  # what secrets.fhir.bearer_token becomes
        "kafka.group_instance_id",  # the pod's name
        "metrics.processes",  # `tocsin top` is given them by hand
        "model.card",  # modelCard
        "watch.report_folder",  # a volume, too
        "watch.pictures",  # knownPictures
        "work.state_folder",  # a volume
    }
)
"""Settings that the chart states itself."""

Schema = dict[str, Any]
Which = Callable[[str, Schema], bool]


def values_schema() -> Schema:
    """The schema of the chart's values: that of values.schema.yaml with the settings in place."""
    made: Schema = yaml.safe_load((FOLDER / "values.schema.yaml").read_text("utf-8"))
    settings: Schema = settings_schema()["properties"]
    made["properties"] |= {
        "settings": _groups(settings, _is_setting, _setting),
        "secrets": _groups(settings, _is_secret, _secret),
        "files": _groups(settings, _is_file, lambda stated: _referring("file", stated)),
    }
    return made


def of_sub_chart(name: str) -> Schema:
    """The schema of a sub-chart's values: what the chart's own says of them, since Helm looks at it only where the sub-chart is on."""
    whole = values_schema()
    return {"$schema": whole["$schema"], **whole["properties"][name], "definitions": whole["definitions"]}


def defaults() -> Schema:
    """The product's own defaults, group -> setting -> value, for the templates that reckon with them."""
    groups = settings_schema()["properties"].items()
    return {name: {field: each.get("default") for field, each in group["properties"].items()} for name, group in groups}


def _groups(settings: Schema, which: Which, become: Callable[[Schema], Schema]) -> Schema:
    """The groups that have such settings, closed."""
    found: Schema = {}
    for name, group in settings.items():
        chosen = {field: become(each) for field, each in group["properties"].items() if which(f"{name}.{field}", each)}
        if chosen:
            found[name] = group | {"properties": chosen}
    return {"type": "object", "additionalProperties": False, "properties": found}


def _is_setting(name: str, stated: Schema) -> bool:
    return name not in OWN and not _is_file(name, stated) and (not _is_secret(name, stated) or name.endswith("url"))


def _is_secret(name: str, stated: Schema) -> bool:
    return bool(stated.get("writeOnly")) or any(_secrets_within(stated))


def _is_file(name: str, stated: Schema) -> bool:
    return stated.get("format") == "path" and name not in OWN


def _setting(stated: Schema) -> Schema:
    """The setting's schema, with null, by which a second values file takes away what the first one states."""
    made = stated | {"type": [stated["type"], "null"]}
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return _without_password(made) if stated.get("writeOnly") else made


def _without_password(stated: Schema) -> Schema:
    shown = {name: each for name, each in stated.items() if name not in ("writeOnly", "format")}
    told = f"{stated['description']} Without a password: else name it in secrets."
    return shown | {"pattern": "^[a-z]+://[^@\\s]+$", "description": told}


def _secret(stated: Schema) -> Schema:
    return _referring("ofSecret", stated) if stated.get("writeOnly") else _by_origin(stated)


def _by_origin(stated: Schema) -> Schema:
    """Credentials by origin, with a reference for each secret; files of them are what the references become."""
    ((pattern, each),) = stated["patternProperties"].items()
    properties = {
        name: _referring("ofSecret", part) if part.get("writeOnly") else part
        for name, part in each["properties"].items()
        if part.get("format") != "path"
    }
    return stated | {"patternProperties": {pattern: each | {"properties": properties}}, "additionalProperties": False}


def _referring(definition: str, stated: Schema) -> Schema:
    return {"description": stated["description"], "allOf": [{"$ref": f"#/definitions/{definition}"}]}


def _secrets_within(stated: Schema) -> Iterator[Schema]:
    for each in stated.get("patternProperties", {}).values():
        yield from (part for part in each["properties"].values() if part.get("writeOnly"))


def written(made: Schema) -> bytes:
    """The file's content."""
    return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


FILES: Final[dict[str, Callable[[], Schema]]] = {
    "values.schema.json": values_schema,
    "files/defaults.json": defaults,
    "charts/redis/values.schema.json": lambda: of_sub_chart("redis"),
    "charts/triton/values.schema.json": lambda: of_sub_chart("triton"),
}


def main() -> None:
    """Write every file."""
    for name, make in FILES.items():
        (CHART / name).write_bytes(written(make()))


if __name__ == "__main__":
    main()
