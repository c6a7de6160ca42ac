"""How a site file, or a part of one, is written down: YAML that a person can read and compare line by line."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel

from tocsin.errors import ConfigurationError
from tocsin.whole_file import replace


def to_yaml(whole: BaseModel) -> bytes:
    """The file's bytes, the same for the same content; numbers in as many digits as tell them apart."""
    said = whole.model_dump(mode="json", exclude_none=True)
    text: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=140)
    return text.encode()


def write_whole(path: Path, content: bytes) -> None:
    """The whole file or the one before. Raises ConfigurationError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content, 0o666)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror})") from None
