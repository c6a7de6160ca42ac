"""CPU that processes have used, as Linux counts it in /proc (proc_pid_stat(5)): user and system time of all their threads."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
PGRP, UTIME, STIME = 2, 11, 12
"""Fields of /proc/PID/stat, counted from the state that follows the command's name."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where figures were taken."""

    cores: int
    cpu: str
    python: str
    system: str

    def __str__(self) -> str:
        return f"{self.cores} cores of {self.cpu}, Python {self.python}, {self.system}"

    def as_json(self) -> dict[str, object]:
        """Its fields."""
        return asdict(self)


def this_machine() -> Machine:
    """The machine and the interpreter this runs on."""
    lines = (PROC / "cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cpu = models[0] if models else platform.machine()
    return Machine(len(os.sched_getaffinity(0)), cpu, platform.python_version(), f"{platform.system()} {platform.release()}")


def group_cpu_s(group: int) -> float:
    """Seconds of CPU that the living processes of a process group have used."""
    return sum(_cpu_s(fields) for _, fields in _members([group]))


def pin(group: int, cores: Sequence[int]) -> None:
    """Whatever the living processes of a group do from now on, they do on these cores."""
    for pid, _ in _members([group]):
        for thread in (PROC / str(pid) / "task").iterdir():
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.sched_setaffinity(int(thread.name), cores)


def machine_cpu_s() -> float:
    """Seconds that all cores together have been busy, whoever used them (proc_stat(5)); what a hypervisor took away counts."""
    user, nice, system, _idle, _waiting, *rest = map(int, (PROC / "stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def group_threads_and_files(group: int) -> tuple[int, int]:
    """How many threads, and how many open files, the processes of a process group have."""
    pids = [pid for pid, _ in _members([group])]
    return sum(_entries(pid, "task") for pid in pids), sum(_entries(pid, "fd") for pid in pids)


def groups_memory_mb(groups: Sequence[int]) -> float:
    """Resident memory of all processes of these groups, MB: the largest one's, and what each of the others holds for itself alone.

    So what a forked process shares with its parent counts once, and of one process it is all that is resident.
    """
    pids = sorted((pid for pid, _ in _members(groups)), key=rss_mb, reverse=True)
    return sum(map(rss_mb, pids[:1])) + sum(map(_private_mb, pids[1:]))


def _members(groups: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
    """The processes of these groups: their ids, and the fields of their stat."""
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = _fields(folder)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[PGRP]) in groups:
            yield int(folder.name), fields


def _fields(folder: Path) -> list[str]:
    return (folder / "stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()


def _cpu_s(fields: list[str]) -> float:
    return (int(fields[UTIME]) + int(fields[STIME])) / os.sysconf("SC_CLK_TCK")


def _entries(pid: int, folder: str) -> int:
    return sum(1 for _ in (PROC / str(pid) / folder).iterdir())


def rss_mb(pid: int) -> float:
    """Resident memory of one process, in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def _private_mb(pid: int) -> float:
    """Memory that no other process shares with this one, MB (proc_pid_smaps(5))."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024 / 1e6
