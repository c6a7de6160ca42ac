"""deploy/compose.yaml, and what is laid over it, as Docker Compose's own loader reads them, or as it read them last."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tocsin.sandbox.artifacts import cache_folder

Json = dict[str, Any]

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
FILE, EXAMPLE = DEPLOY / "compose.yaml", DEPLOY / "compose.env.example"
REPORTS: Final = DEPLOY / "compose.reports.yaml"
"""What a site lays over it that wants monthly reports."""
READ: Final = Path(__file__).with_name("read.json")
"""The example's project, without and with monthly reports, as the loader read it, and the SHA-256 of what it was read from."""
HOME: Final = "/srv/tocsin"
"""Where a site has these files, in what the loader says."""
LOADER: Final = Path(__file__).with_name("loader")
BUILD_WITHIN_S, READ_WITHIN_S = 900, 60


class NotRead(Exception):
    """The loader refused the file, and says why."""


def example() -> Json:
    """The project of compose.env.example, as the loader read it last."""
    return dict(json.loads(READ.read_text())["project"])


def reporting() -> Json:
    """The same with monthly reports."""
    return dict(json.loads(READ.read_text())["reporting"])


def digest() -> str:
    """The SHA-256 of the compose files, their example and the loader's source."""
    files = (FILE, REPORTS, EXAMPLE, *sorted(LOADER.iterdir()))
    return hashlib.sha256(b"\0".join(each.read_bytes() for each in files)).hexdigest()


def write_example() -> None:
    """Have the loader read the example, and keep what it says."""
    env = EXAMPLE.read_text()
    read = {"sha256": digest(), "project": project(env), "reporting": project(env, over=(REPORTS,))}
    READ.write_text(json.dumps(read, indent=1, sort_keys=True) + "\n")


def project(env: str, variables: Mapping[str, str] | None = None, over: Sequence[Path] = ()) -> Json:
    """What the loader makes of the compose file, and of those laid `over` it, with this `.env` and these variables of a shell.

    Raises NotRead.
    """
    with TemporaryDirectory(prefix="tocsin-compose-") as name:
        folder = Path(name).resolve()
        for file in (FILE, *over):
            shutil.copyfile(file, folder / file.name)
        (folder / ".env").write_text(env)
        argv = [str(loader()), *(file.name for file in (FILE, *over))]
        done = subprocess.run(
            argv, cwd=folder, env=dict(variables or {}), capture_output=True, text=True, timeout=READ_WITHIN_S, check=False
        )
        if done.returncode:
            raise NotRead(done.stderr)
        return dict(json.loads(done.stdout.replace(str(folder), HOME)))


@cache
def loader() -> Path:
    """The loader, built where the cache lacks it: half a minute of CPU. Raises NotRead where there is no Go, or the build fails."""
    built = cache_folder(os.environ) / "compose" / hashlib.sha256((LOADER / "go.sum").read_bytes() + _source()).hexdigest()[:16]
    if not built.exists():
        if (go := shutil.which("go")) is None:
            raise NotRead("compose-go is built from its Go module, and there is no `go` on PATH")
        built.parent.mkdir(parents=True, exist_ok=True)
        argv = [go, "build", "-mod=readonly", "-trimpath", "-o", str(built), "."]
        done = subprocess.run(argv, cwd=LOADER, capture_output=True, text=True, timeout=BUILD_WITHIN_S, check=False)
        if done.returncode:
            raise NotRead(f"compose-go could not be built: {done.stderr}")
    return built


def _source() -> bytes:
    return (LOADER / "main.go").read_bytes()
