"""Reads how much memory this process's control groups allow it.

Control groups of version 2 (Linux, cgroup-v2, memory.max and memory.high) and of version 1 (memory.limit_in_bytes), also side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

UNLIMITED_BYTES: Final = 2**60
"""Version 1 says `no limit` by a number near 2 ** 63; no machine has as much as this."""
_FILES: Final = {"cgroup2": ("memory.max", "memory.high"), "cgroup": ("memory.limit_in_bytes",)}
"""Type of file system -> the files that hold a limit."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """Where groups are seen: proc(5), mountinfo."""

    kind: str
    root: PurePosixPath
    """The group that stands at the mount point."""
    point: Path


def memory_limit_bytes(proc: Path = Path("/proc/self")) -> int | None:
    """The least limit of this process's group and of those above it that can be seen; None where there is none."""
    limits = [limit for mount in _mounts(proc) for limit in _limits(mount, _group(proc, mount.kind))]
    return min(limits, default=None)


def _mounts(proc: Path) -> Iterator[_Mount]:
    for line in _lines(proc / "mountinfo"):
        fields, _, behind = line.partition(" - ")
        kind, *others = behind.split(" ")
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in others[-1].split(",")):
            root, point = fields.split(" ")[3:5]
            yield _Mount(kind, PurePosixPath(root), Path(point))


def _group(proc: Path, kind: str) -> PurePosixPath:
    """This process's group, as /proc names it: cgroups(7), /proc/pid/cgroup."""
    for line in _lines(proc / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if (controllers == "") if kind == "cgroup2" else ("memory" in controllers.split(",")):
            return PurePosixPath(path)
    return PurePosixPath("/")


def _limits(mount: _Mount, group: PurePosixPath) -> Iterator[int]:
    """The limits from the group up to the mount point; a container may see nothing above its own group, which then stands there."""
    below = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    for folder in (below, *below.parents):
        for name in _FILES[mount.kind]:
            for line in _lines(mount.point / folder / name):
                if line.isdecimal() and int(line) < UNLIMITED_BYTES:
                    yield int(line)


def _lines(file: Path) -> list[str]:
    """None where the file cannot be read: then it limits nothing that could be told."""
    try:
        return file.read_text().splitlines()
    except (OSError, ValueError):
        return []
