"""The topics as schemas/topics/*.yaml describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from tocsin.errors import ConfigurationError


class Topic(BaseModel):
    """One topic of the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    value: str = Field(description="Schema of its records' values, a path below schemas/.")
    key: str
    dead_letters: str | None = None
    partitions: PositiveInt
    config: Mapping[str, str | int] = Field(description="Kafka's topic configuration.")


def read_topics(folder: Path) -> list[Topic]:
    """Every topic in the folder, by file name; ConfigurationError names a file that does not describe one."""
    return [_read(file) for file in sorted(folder.glob("*.yaml"))]


def _read(file: Path) -> Topic:
    try:
        return Topic.model_validate(yaml.safe_load(file.read_bytes()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"{file} does not describe a topic: {error}") from None
