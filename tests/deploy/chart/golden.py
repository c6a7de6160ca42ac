"""Golden renders: what each way to install makes, an object a line, and the minimal way's consumer whole.

They show a reviewer what a change of a template does. `.venv/bin/python -m tests.deploy.chart.golden` writes them anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from tests.deploy.chart.helm import CI, rendered
from tests.deploy.chart.looks import HOOK, called, of_kind

FOLDER: Final = Path(__file__).with_name("golden")


def listed(way: str) -> str:
    """The objects of a way to install, a line each: kind/name, and when it runs where it is a hook."""
    lines = [f"{called(each)} {each['metadata'].get('annotations', {}).get(HOOK, '')}".strip() for each in rendered(way)]
    return "".join(f"{line}\n" for line in sorted(lines))


def consumer() -> str:
    """The minimal way's StatefulSet, without checksums: those change with every default."""
    (found,) = of_kind(rendered("minimal"), "StatefulSet")
    return re.sub(r"(checksum/\w+: )[0-9a-f]{64}", r"\1...", yaml.safe_dump(found, width=140))


GOLDEN: Final[Mapping[str, Callable[[], str]]] = {
    **{f"{way}.txt": partial(listed, way) for way in CI},
    "minimal-consume.yaml": consumer,
}


def main() -> None:
    """Write every golden render."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in GOLDEN.items():
        (FOLDER / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
