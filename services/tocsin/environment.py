"""Reads TOCSIN_* variables into a tree of settings. No variable is passed over; each mistake is one sentence that a person can act on.

`TOCSIN_KAFKA__GROUP_ID=x` sets `kafka.group_id`. A secret may stand in a file instead, named by its variable with `_FILE` behind.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from tocsin.errors import ConfigurationError
from tocsin.setting_words import contains, example, wanted

PREFIX: Final = "TOCSIN_"
FILE: Final = "_FILE"
NOT_SETTINGS: Final = frozenset({"TOCSIN_TEST_DATA"})
"""Variables that tests and measurements alone read."""
SECRET_BYTES_MAX: Final = 1_048_576
"""No secret is longer; a longer file was named by mistake."""
LISTS: Final = (tuple, list, dict, Mapping)

Source = Literal["default", "variable", "file"]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that Tocsin understands."""

    name: str
    group: str
    field: str
    info: FieldInfo
    of_file: bool = False
    """Whether the variable names the file in which the value stands."""

    @property
    def secret(self) -> bool:
        """Whether the variable's value is a secret, which is shown to nobody."""
        return contains(self.info.annotation, SecretStr)

    @property
    def is_json(self) -> bool:
        """Whether the variable's value is written as JSON."""
        return contains(self.info.annotation, *LISTS)


@dataclass(frozen=True, slots=True)
class Gone:
    """A variable that an earlier Tocsin understood."""

    instead: str | None
    """The variable to set instead, whose value may mean something else; None: there is nothing to set any more."""
    why: str
    """The end of a sentence."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """The settings that the environment states, and where each comes from."""

    settings: M
    sources: Mapping[str, Source]
    """Where each value comes from, by the variable's name without _FILE."""


NOTHING_GONE: Final[Mapping[str, Gone]] = {}


def variables(model: type[BaseModel]) -> dict[str, Variable]:
    """Every variable that Tocsin understands, by its name. A secret has a second variable, for the file that holds it."""
    found: dict[str, Variable] = {}
    for group, fields in groups(model).items():
        for field, info in fields.model_fields.items():
            name = f"{PREFIX}{group}__{field}".upper()
            found[name] = each = Variable(name, group, field, info)
            if each.secret and f"{field}{FILE.lower()}" not in fields.model_fields:
                found[name + FILE] = Variable(name + FILE, group, field, info, of_file=True)
    return found


def groups(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The groups of the settings' tree, by name."""
    return {name: info.annotation for name, info in model.model_fields.items() if isinstance(info.annotation, type)}


def read(model: type[M], environment: Mapping[str, str], gone: Mapping[str, Gone] = NOTHING_GONE) -> Reading[M]:
    """The settings that these variables state. Reads the files of secrets. Raises ConfigurationError with all that is wrong.

    `gone` has what became of variables that are understood no more.
    """
    known = variables(model)
    problems = list(_unknown(environment, known, groups(model), gone))
    values: dict[str, dict[str, Any]] = {}
    sources: dict[str, Source] = {name: "default" for name, each in known.items() if not each.of_file}
    for name in sorted(known.keys() & environment.keys()):
        each = known[name]
        plain = name.removesuffix(FILE) if each.of_file else name
        try:
            if each.of_file and plain in environment:
                raise ValueError(f"{plain} and {name} are both set: leave one out")
            values.setdefault(each.group, {})[each.field] = _value(each, environment[name])
            sources[plain] = "file" if each.of_file else "variable"
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("settings: " + "; ".join(problems))
    try:
        return Reading(model.model_validate(values), sources)
    except ValidationError as error:
        raise ConfigurationError("settings: " + "; ".join(_sentences(error, known))) from None


def _value(variable: Variable, raw: str) -> Any:
    """The variable's value as pydantic takes it. Raises ValueError with the sentence to say; a secret is never in it."""
    name = variable.name
    if variable.of_file:
        raw = _held(name, raw)
    if not raw.strip():
        raise ValueError(f"{name} is empty: leave it out to have the default")
    if variable.is_json:
        return _json(variable, raw)
    if variable.secret:
        return raw.strip()
    if contains(variable.info.annotation, str, Path) and (raw != raw.strip() or not raw.isprintable()):
        raise ValueError(f"{name} has white space or a line end around its value, or a character that cannot be printed: remove it")
    return raw


def _held(name: str, raw: str) -> str:
    """The text of the file that the variable names. Raises ValueError with the sentence to say."""
    file = Path(raw)
    try:
        with file.open("rb") as opened:
            content = opened.read(SECRET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "not a path"
        raise ValueError(f"{name} {raw!r}: {why}: name a file that can be read") from None
    if len(content) > SECRET_BYTES_MAX:
        raise ValueError(f"{name} {raw!r}: more than {SECRET_BYTES_MAX} bytes: name the file that holds the secret alone")
    if not content.strip():
        raise ValueError(f"{name} {raw!r}: the file is empty")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name} {raw!r}: the file is not text in UTF-8") from None


def _json(variable: Variable, raw: str) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise ValueError(f"{variable.name}: lists are JSON, for example {example(variable.field, variable.info)}") from None


def _sentences(error: ValidationError, known: Mapping[str, Variable]) -> Iterator[str]:
    """What is wrong, a sentence each, in Tocsin's own words and without the value, which may be a secret."""
    for problem in error.errors(include_url=False, include_input=False):
        place = [str(part) for part in problem["loc"]]
        said = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else ""
        variable = known.get(f"{PREFIX}{'__'.join(place[:2])}".upper()) if len(place) > 1 else None
        if variable is None:
            group = f"{PREFIX}{place[0]}".upper() if place else PREFIX.rstrip("_")
            yield said or f"{group}__*: these settings do not go together"
        else:
            yield f"{variable.name}: {said}" if said else f"{variable.name} wants {wanted(variable.field, variable.info)}"


def _unknown(
    environment: Mapping[str, str], known: Mapping[str, Variable], groups: Mapping[str, type[BaseModel]], gone: Mapping[str, Gone]
) -> Iterator[str]:
    for name in sorted(environment.keys() - known.keys() - NOT_SETTINGS):
        if (found := gone.get(name.upper().removesuffix(FILE))) is not None:
            yield _gone(name, found)
        elif name.upper().startswith(PREFIX) and not _service_link(name, environment[name]):
            yield _nearest(name, known, groups)


def _gone(name: str, found: Gone) -> str:
    if found.instead is None:
        return f"{name} is a setting no more: take it away ({found.why})"
    file = FILE if name.upper().endswith(FILE) else ""
    return f"{name} is a setting no more: {found.instead}{file} took its place ({found.why})"


def _nearest(name: str, known: Mapping[str, Variable], groups: Mapping[str, type[BaseModel]]) -> str:
    if (group := name.upper().removeprefix(PREFIX).lower()) in groups:
        field, info = next(iter(groups[group].model_fields.items()))
        return f"{name} names a group of settings: write for example {name.upper()}__{field.upper()}={example(field, info)}"
    plain = {_plain(each): each for each in known}
    of_group = {flat: each for flat, each in plain.items() if "__" in name and flat.startswith(_plain(name.split("__")[0]) + "_")}
    for among, likeness in ((plain, 0.95), (of_group, 0.4), (plain, 0.65)):
        if near := get_close_matches(_plain(name), among, n=1, cutoff=likeness):
            found = among[near[0]]
            return f"{name} is no setting: did you mean {found}? (`tocsin settings` lists them all)"
    return f"{name} is no setting: `tocsin settings` lists them all; take it away if it is not meant for Tocsin"


def _plain(name: str) -> str:
    """The name without its prefix, case and doubled underscores, by which two names are compared."""
    return re.sub("_+", "_", name.upper()).removeprefix(PREFIX)


def _service_link(name: str, value: str) -> bool:
    """Whether Kubernetes set the variable for a Service whose name begins with tocsin (Kubernetes, Service, "Environment variables")."""
    return any(re.fullmatch(form, name) and is_so(value) for form, is_so in _LINKS)


def _is_host(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return re.fullmatch(r"\d{1,5}", value) is not None


def _is_protocol(value: str) -> bool:
    return value in ("tcp", "udp", "sctp")


def _is_url(value: str) -> bool:
    found = re.fullmatch(r"(?:tcp|udp|sctp)://(.+):\d{1,5}", value)
    return found is not None and _is_host(found[1].strip("[]"))


_SERVICE: Final = r"TOCSIN(?:_[A-Z0-9_]+)?"
_ONE_PORT: Final = rf"{_SERVICE}_PORT_\d+_(?:TCP|UDP|SCTP)"
_LINKS: Final = (
    (rf"{_SERVICE}_SERVICE_HOST|{_ONE_PORT}_ADDR", _is_host),
    (rf"{_SERVICE}_SERVICE_PORT(?:_[A-Z0-9_]+)?|{_ONE_PORT}_PORT", _is_port),
    (rf"{_ONE_PORT}_PROTO", _is_protocol),
    (rf"{_SERVICE}_PORT|{_ONE_PORT}", _is_url),
)
"""Variable names that Kubernetes gives, and the form of their values."""
