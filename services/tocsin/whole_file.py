"""Files that are there as a whole, or as they were before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def replace(path: Path, content: bytes, mode: int) -> None:
    """Have the file hold this, now or not at all, also where the machine dies; `mode` before the umask. Raises OSError."""
    together({path: content}, mode)


def together(contents: Mapping[Path, bytes], mode: int) -> None:
    """The same of several files that belong together: none gets its name before all are on disk.

    Only a process that dies between one name and the next leaves one of them newer than another. Raises OSError.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in contents}
    try:
        for path, content in contents.items():
            _write(parts[path], content, mode)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for folder in {path.parent for path in contents}:
        _sync(folder)


def _write(part: Path, content: bytes, mode: int) -> None:
    part.unlink(missing_ok=True)  # of one that was killed: in a container each may have the same id
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have the folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
