"""The units of deploy/systemd, as systemd reads them: each with the file that they have in common."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[3] / "deploy" / "systemd"
COMMON: Final = FOLDER / "tocsin-.service.d" / "10-common.conf"
SITE: Final = FOLDER / "site.conf.example"
SETTINGS: Final = FOLDER / "tocsin.env.example"
PROGRAM: Final = "/opt/tocsin/bin/tocsin"
SERVICES: Final = tuple(sorted(FOLDER.glob("*.service")))

Lines = dict[tuple[str, str], list[str]]
"""Every value that a section gives a name, in the order in which systemd reads them."""


def read(unit: Path) -> Lines:
    """What holds for the unit."""
    lines: Lines = {}
    for file in (unit, COMMON):
        for section, name, value in _lines(file):
            lines.setdefault((section, name), []).append(value)
    return lines


def variables(unit: Path) -> dict[str, str]:
    """The environment that the unit states by itself."""
    return dict(pair.split("=", 1) for line in read(unit)[("Service", "Environment")] for pair in line.split())


def copied(folder: Path, program: str = PROGRAM) -> Path:
    """A copy of all units below the folder, as a site installs them, that runs this program."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace(PROGRAM, program))
    return folder


def _lines(file: Path) -> list[tuple[str, str, str]]:
    found, section = [], ""
    for line in file.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.append((section, name, value))
    return found
