"""Runs helm as a platform engineer does, with a right to nothing but one namespace."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

RUN_WITHIN_S: Final = 300.0
WARNING: Final = re.compile(r"warning", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """What a helm command said, and how it ended."""

    code: int
    out: str
    error: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    @property
    def warnings(self) -> Sequence[str]:
        """The lines by which it, or the server through it, warned."""
        return [line for line in self.error.splitlines() if WARNING.search(line)]

    @property
    def reason(self) -> str:
        """Why it failed, in its own last lines."""
        return " ".join((self.error or self.out).split())[-800:]


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart, installed or not."""

    name: str
    namespace: str


class Helm:
    """The program, for one chart and one cluster."""

    def __init__(self, program: Path, chart: Path, kubeconfig: Path, home: Path) -> None:
        self.chart = chart
        self._program = program
        folders = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environment = {"PATH": os.defpath, "HOME": str(home), "KUBECONFIG": str(kubeconfig), **folders}

    def install(self, release: Release, values: Sequence[Path], *options: str) -> Said:
        """`helm install`."""
        return self._run(release, "install", release.name, str(self.chart), *_values(values), *options)

    def upgrade(self, release: Release, values: Sequence[Path], *options: str) -> Said:
        """`helm upgrade`, which forgets the values it was given before."""
        return self._run(release, "upgrade", release.name, str(self.chart), *_values(values), *options)

    def rollback(self, release: Release, revision: int, *options: str) -> Said:
        """`helm rollback` to that revision."""
        return self._run(release, "rollback", release.name, str(revision), *options)

    def uninstall(self, release: Release, *options: str) -> Said:
        """`helm uninstall`."""
        return self._run(release, "uninstall", release.name, *options)

    def test(self, release: Release) -> Said:
        """`helm test`."""
        return self._run(release, "test", release.name, "--timeout=60s")

    def rendered(self, release: Release) -> Sequence[Mapping[str, Any]]:
        """The objects of the installed release, without its hooks."""
        return self._objects(release, "manifest")

    def hooks(self, release: Release) -> Sequence[Mapping[str, Any]]:
        """The objects of the installed release's hooks, its tests among them."""
        return self._objects(release, "hooks")

    def _objects(self, release: Release, which: str) -> Sequence[Mapping[str, Any]]:
        said = self._run(release, "get", which, release.name)
        return [each for each in yaml.load_all(said.out, yaml.CSafeLoader) if each]

    def _run(self, release: Release, *words: str) -> Said:
        argv = [str(self._program), *words, "--namespace", release.namespace]
        done = subprocess.run(
            argv, env=self._environment, capture_output=True, text=True, timeout=RUN_WITHIN_S, stdin=subprocess.DEVNULL, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)


def _values(files: Sequence[Path]) -> Sequence[str]:
    return [word for file in files for word in ("--values", str(file))]
