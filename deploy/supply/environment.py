"""What is installed in a Python environment, as cyclonedx-py tells it. Nothing of the environment is run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cyclonedx.model.bom import Bom

from deploy.supply.errors import SupplyError

WITHIN_S: Final = 900.0
"""Seconds that cyclonedx-py may take: 1 to 10 are usual, more on a machine that is busy."""
DEBIANS_OWN: Final = Path("usr/lib/python3/dist-packages")
"""Below a root: what lies here belongs to Debian's packages, which name it."""


def site_packages(environment: Path) -> list[Path]:
    """The folders below a virtual environment, or below the root of an image, that hold installed distributions.

    Raises SupplyError where there is none.
    """
    found = {file.parent.parent for file in environment.rglob("*.dist-info/METADATA")}
    mine = sorted(folder for folder in found if folder != environment / DEBIANS_OWN)
    if not mine:
        raise SupplyError(f"no Python distribution is installed below {environment}")
    return mine


def installed(folders: Sequence[Path]) -> Bom:
    """The bill of what is installed in these folders, as cyclonedx-py makes it. Raises SupplyError where it fails."""
    with tempfile.TemporaryDirectory() as scratch:
        told = _told(_interpreter(Path(scratch), folders))
    bill = Bom.from_json(told)  # type: ignore[attr-defined] # made by a decorator of py-serializable
    assert isinstance(bill, Bom)
    return bill


def _interpreter(scratch: Path, folders: Sequence[Path]) -> Path:
    """A program that answers as the environment's interpreter would when it is asked for its path: cyclonedx-py asks for no more."""
    answer = json.dumps([str(folder.resolve()) for folder in folders])
    program = scratch / "python"
    program.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(answer)}\n", "utf-8")
    program.chmod(0o700)
    return program


def _told(interpreter: Path) -> object:
    form = ("--output-reproducible", "--sv", "1.6", "--of", "JSON", "--no-validate")  # what is written in the end is validated
    argv = [sys.executable, "-m", "cyclonedx_py", "environment", *form, str(interpreter)]
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        raise SupplyError(f"cyclonedx-py did not end within {WITHIN_S:.0f} s") from None
    if ended.returncode != 0:
        raise SupplyError(f"cyclonedx-py ended with exit code {ended.returncode}: {ended.stderr.strip()[-500:]}")
    return json.loads(ended.stdout)
