"""Does what the documents say, block by block, in one folder and one shell's environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tocsin.errors import Stop
from tocsin.sandbox.process import Child, Launch

from tests.deploy.guide.blocks import Block
from tests.deploy.guide.hospital import Hospital

WITHIN_S: Final = 1800
"""Longest time for one block: on a slow machine an install takes a quarter of an hour."""
_STATE: Final = ".guide-state"
_ONCE: Final = ".guide-once"


class StepFailed(Stop):
    """A command of a document did not do what the document says."""


@dataclass(frozen=True, slots=True)
class Step:
    """A block that was done."""

    place: str
    did: str
    took_s: float


class Walk:
    """One reader who follows the documents in a clean folder."""

    def __init__(self, hospital: Hospital, folder: Path, tools: Path, ending: ExitStack) -> None:
        """`folder` is the checkout that the reader stands in; `ending` ends what stays."""
        self._hospital, self._folder, self._ending = hospital, folder, ending
        self._staying: list[Child] = []
        self._environment = {"PATH": f"{tools}:{sys.base_prefix}/bin:/usr/bin:/bin", "HOME": str(Path.home()), "LANG": "C.UTF-8"}
        self._environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "npm_", "SSL_", "HTTPS_"))}
        (folder / _STATE).unlink(missing_ok=True)

    def follow(self, steps: Iterable[Block], tell: Callable[[Step], None]) -> None:
        """Do each marked block, and tell of it. Raises StepFailed with the command's own words."""
        for block in steps:
            if block.mark:
                began = time.monotonic()
                did = self._do(block)
                tell(Step(block.place, did, time.monotonic() - began))

    def _do(self, block: Block) -> str:
        kind, _, name = block.mark.partition(" ")
        text = self._hospital.here(block.text)
        match kind, name:
            case "file", _:
                (self._folder / name).write_text(text, "utf-8")
                return f"wrote {name}"
            case "hospital", _:
                self._hospital.serve(self._folder / "models")
                return "Triton serves models"
            case "stays", _:
                return self._stay(name, text)
            case "run", "once":
                return self._run_once(text, block)
            case "run", "":
                return self._run(text, block)
            case _:
                raise StepFailed(f"{block.place}: nobody knows the mark `{block.mark}`")

    def _run_once(self, text: str, block: Block) -> str:
        done = self._folder / _ONCE
        known = done.read_text("utf-8") if done.exists() else ""
        if text in known:
            return "was done before"
        said = self._run(text, block)
        done.write_text(known + text, "utf-8")
        return said

    def _run(self, text: str, block: Block) -> str:
        script = f"set -euo pipefail\n[ ! -e {_STATE} ] || . ./{_STATE}\n{text}\n{{ export -p; declare -f; }} > {_STATE}\n"
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{block.place}: not done after {WITHIN_S} s:\n{text}") from None
        if done.returncode:
            said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            ended = "".join(f"\n{each.name} has ended:\n{each.tail()}" for each in self._staying if not each.alive)
            raise StepFailed(f"{block.place}: exit code {done.returncode} of\n{text}\n{said}{ended}")
        return " | ".join(done.stdout.strip().splitlines()[-1:])

    def _stay(self, name: str, text: str) -> str:
        script = f"set -euo pipefail\n. ./{_STATE}\nexec env {text}"
        log = self._folder / f"{name}.log"
        child = Child(Launch(name, ("/bin/bash", "-c", script), self._folder, log, self._environment))
        self._ending.callback(child.stop)
        self._staying.append(child)
        return f"{name} runs; its log is {log}"
