"""The archives that an environment was installed from, and what the lock file allows them to be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from deploy.supply.errors import SupplyError

ROOT_NAME: Final = "tocsin"
PLATFORM: Final[Mapping[str, str]] = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
"""Where the product is meant to run: Debian 12's Python."""

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)(?: ; ([^\\]+))?")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One version that the lock file names, and the SHA-256 of each archive of it that pip may install."""

    name: NormalizedName
    version: str
    hashes: frozenset[str] = field(repr=False)


def pins(lock: Path) -> tuple[Pin, ...]:
    """The lock file's versions that are installed on PLATFORM. Raises SupplyError where it holds none."""
    found = tuple(pin for block in _blocks(lock.read_text("utf-8")) if (pin := _pin(block)) is not None)
    if not found:
        raise SupplyError(f"{lock} pins nothing: name a file that requirements/lock.sh wrote")
    return found


def _blocks(text: str) -> Iterable[str]:
    return re.split(r"\n(?=[A-Za-z0-9])", text)


def _pin(block: str) -> Pin | None:
    said = _PIN.match(block)
    if said is None or (said[3] is not None and not Marker(said[3].strip()).evaluate(dict(PLATFORM))):
        return None
    return Pin(canonicalize_name(said[1]), said[2], frozenset(_HASH.findall(block)))


@dataclass(frozen=True, slots=True)
class Archive:
    """One wheel file."""

    name: NormalizedName
    version: str
    sha256: str


def archives(folders: Iterable[Path], locked: Iterable[Pin]) -> dict[tuple[NormalizedName, str], Archive]:
    """Every wheel in the folders, by name and version.

    Raises SupplyError where a wheel is none that the lock allows. Tocsin's own wheel is in no lock, and taken as it is.
    """
    allowed = {(pin.name, pin.version): pin.hashes for pin in locked}
    found = [_archive(file) for folder in folders for file in sorted(folder.glob("*.whl"))]
    for archive in found:
        if archive.name != ROOT_NAME and archive.sha256 not in allowed.get((archive.name, archive.version), frozenset()):
            raise SupplyError(f"the archive of {archive.name} {archive.version} is not one that the lock file allows: fetch it again")
    return {(archive.name, archive.version): archive for archive in found}


def _archive(file: Path) -> Archive:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename:
        raise SupplyError(f"{file.name} is not the name of a wheel") from None
    return Archive(name, str(version), sha256(file))


def sha256(file: Path) -> str:
    """The SHA-256 of the file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
