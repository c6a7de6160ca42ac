"""Programs of other makes in Node.js that the tests talk to: an EHR's authorisation server, an independent JOSE."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tocsin.sandbox.artifacts import cache_folder

from tests.support.absent import absent

HERE: Final = Path(__file__).parent
NEEDED: Final = ("package.json", "package-lock.json", ".npmrc")
INSTALL_WITHIN_S: Final = 180.0


def peers() -> Path:
    """A folder with the `node_modules` that package-lock.json pins, installed once into the cache.

    A script finds them where it lies in that folder, or in one below it: ES modules do not heed NODE_PATH.
    """
    if shutil.which("npm") is None or shutil.which("node") is None:
        absent("Node.js 20 or later, with npm, is not on PATH: on Debian `apt install nodejs npm`")
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    wanted = cache_folder(os.environ) / "node" / lock
    if not wanted.exists():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        _install(wanted)
    return wanted


def _install(wanted: Path) -> None:
    with TemporaryDirectory(dir=wanted.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for name in NEEDED:
            shutil.copy(HERE / name, made / name)
        npm = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-progress"],
            cwd=made,
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
        if npm.returncode != 0:
            absent(f"npm could not install what {HERE.name}/package-lock.json pins: {npm.stderr[-500:]}")
        if not wanted.exists():  # of two that install at once the first one wins
            made.rename(wanted)
