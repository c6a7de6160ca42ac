"""tocsin settings: lists every setting, and the value that holds now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import orjson
import typer
from pydantic import BaseModel, SecretStr

from tocsin.environment import Reading, Source, Variable, groups, variables
from tocsin.setting_words import unit_of, written
from tocsin.settings import Settings, reading

HIDDEN = "(hidden)"
UNSET = "(unset)"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as it is printed."""

    name: str
    value: str
    unit: str
    default: str
    source: Source
    secret: bool
    description: str


def settings(as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> None:
    """List every setting: its value, where that comes from, its unit, its default and what it is for. Secrets are hidden.

    Each is an environment variable of this name; lists are JSON. A secret may stand in a file instead, named by its variable with
    _FILE behind: TOCSIN_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka. Files of secrets are read once, at the start.

    Example, all that is about Kafka:

    tocsin settings | grep TOCSIN_KAFKA

    Exit codes: 0 all are right; 78 one is wrong.
    """
    found = list(rows(reading()))
    if as_json:
        for row in found:
            typer.echo(orjson.dumps(asdict(row)).decode())
        return
    for group, fields in groups(Settings).items():
        typer.echo(f"{group}: {(fields.__doc__ or '').strip()}\n")
        for row in found:
            if row.name.startswith(f"TOCSIN_{group.upper()}__"):
                typer.echo(_block(row))


def rows(now: Reading[Settings]) -> Iterator[Row]:
    """Every setting, in the order of the tree."""
    for variable in variables(Settings).values():
        if not variable.of_file:
            yield _row(variable, getattr(getattr(now.settings, variable.group), variable.field), now.sources[variable.name])


def _row(variable: Variable, value: Any, source: Source) -> Row:
    info = variable.info
    default = info.get_default(call_default_factory=True, validated_data={})
    shown = _shown(value) if source == "default" or not variable.secret else HIDDEN
    told = (info.description or "").strip()
    return Row(variable.name, shown, unit_of(variable.field), _shown(default), source, variable.secret, told)


def _shown(value: Any) -> str:
    """The value as text; a SecretStr's too, since it is a default here, which is no secret."""
    if value is None:
        return UNSET
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return written([each.model_dump() if isinstance(each, BaseModel) else each for each in value])
    return written(value)


def _block(row: Row) -> str:
    """The setting in two lines, however narrow the terminal."""
    unit = f" {row.unit}" if row.unit and row.value != UNSET else ""
    source = "default" if row.source == "default" else f"from a {row.source}; default {row.default}"
    return f"{row.name}={row.value}{unit}  [{source}]\n    {row.description}\n"
