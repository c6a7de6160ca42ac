"""small-site.md's own first flag: its commands for the record, and its event, as it has them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.deploy.small.site import Site
from tests.support.house import JPEG

PAGE: Final = Path(__file__).parents[3] / "deploy" / "small-site.md"
TEXT: Final = PAGE.read_text()
RECORD: Final = "localhost:8080/fhir"


def first_picture() -> str:
    """The shell's commands that put a patient and a picture into the record."""
    [commands] = re.findall(r"<!-- first picture -->\n```\n(.+?)```", TEXT, re.DOTALL)
    return str(commands)


def first_event() -> tuple[bytes, bytes]:
    """Key and value of the event."""
    [line] = re.findall(r"<<'EVENT'\n(.+)\nEVENT\n", TEXT)
    key, _, value = line.partition("|")
    return key.encode(), value.encode()


def first_flag(site: Site) -> None:
    """Do as the page says, and see the flag; raises CalledProcessError or AssertionError where it does not come."""
    (site.folder / "picture.jpg").write_bytes(JPEG)
    commands = first_picture().replace(RECORD, site.fhir_url)
    subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=site.folder, check=True, timeout=120, capture_output=True)
    site.announce(*first_event())
    site.await_flag("Media/first")
