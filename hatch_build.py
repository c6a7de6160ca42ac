"""Compiles the loops over pixels (services/tocsin/image/loops/pixels.c) when Tocsin is built or installed.

With $CC, or cc. Where that is missing or fails the build goes on without: numpy then does the same, more slowly.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "tocsin/image/loops"
FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fPIC", "-shared")
"""For every processor of the platform: none of its extensions is asked for."""
WITHIN_S = 120.0
"""Seconds that a compiler may take; 1 is usual."""


class Compile(BuildHookInterface[BuilderConfig]):
    """Puts pixels.so beside pixels.c: into the source tree for an editable install, else into the wheel, which is then of this platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See BuildHookInterface.initialize."""
        source = Path(self.root) / "services" / FOLDER / "pixels.c"
        if version == "editable":
            self._compiled(source, source.with_suffix(".so"))
            return
        self._made = tempfile.TemporaryDirectory()
        library = Path(self._made.name) / "pixels.so"
        if self._compiled(source, library):
            build_data["force_include"][str(library)] = f"{FOLDER}/pixels.so"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """See BuildHookInterface.finalize."""
        if version != "editable":
            self._made.cleanup()

    def _compiled(self, source: Path, library: Path) -> bool:
        """Whether the library was made. It takes the old one's place at once, since that may be in use."""
        fresh = library.with_name(f"{library.stem}.{os.getpid()}.so")
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        argv = [*shlex.split(os.environ.get("CC") or "cc"), *FLAGS, f'-DTOCSIN_SOURCE="{digest}"', str(source), "-o", str(fresh), "-lm"]
        try:
            subprocess.run(argv, check=True, capture_output=True, timeout=WITHIN_S)
            fresh.replace(library)
        except (OSError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"the loops over pixels are not compiled, numpy's take their place: {error}")
            return False
        finally:
            fresh.unlink(missing_ok=True)
        return True
