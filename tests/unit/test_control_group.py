"""A process finds the memory limit that its container has, whichever version of control groups says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.control_group import memory_limit_bytes

MIB = 1_048_576
V2 = "30 23 0:26 {root} {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "40 30 0:30 {root} {point} rw,nosuid shared:8 - cgroup cgroup rw,memory"
OTHER = "41 30 0:31 / {point} rw - cgroup cgroup rw,cpu,cpuacct"


class Machine:
    """What a process sees below /proc/self and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.groups = folder / "proc", folder / "cgroup"
        self.proc.mkdir()

    def is_in(self, *lines: str) -> None:
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def mounts(self, *lines: str, root: str = "/") -> None:
        point = self.groups
        (self.proc / "mountinfo").write_text("".join(f"{line.format(root=root, point=point)}\n" for line in lines))

    def says(self, file: str, text: str) -> None:
        path = self.groups / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def limit(self) -> int | None:
        return memory_limit_bytes(self.proc)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_container_with_a_name_space_of_its_own_finds_its_limit_at_the_top(machine: Machine) -> None:
    machine.is_in("0::/")
    machine.mounts(V2)
    machine.says("memory.max", str(512 * MIB))
    assert machine.limit == 512 * MIB


def test_the_least_limit_of_a_group_and_those_above_it_counts(machine: Machine) -> None:
    machine.is_in("0::/kubepods/pod1/consume")
    machine.mounts(V2)
    machine.says("kubepods/pod1/consume/memory.max", "max")
    machine.says("kubepods/pod1/memory.max", str(300 * MIB))
    machine.says("kubepods/memory.max", str(900 * MIB))
    assert machine.limit == 300 * MIB


def test_a_limit_beyond_which_the_kernel_slows_a_process_down_counts_as_one(machine: Machine) -> None:
    machine.is_in("0::/system.slice/tocsin.service")
    machine.mounts(V2)
    machine.says("system.slice/tocsin.service/memory.max", str(900 * MIB))
    machine.says("system.slice/tocsin.service/memory.high", str(800 * MIB))
    assert machine.limit == 800 * MIB


def test_a_container_of_version_1_sees_its_own_group_at_the_mount_point(machine: Machine) -> None:
    machine.is_in("8:memory:/docker/abc", "7:cpu,cpuacct:/docker/abc", "0::/")
    machine.mounts(OTHER, V1, root="/docker/abc")
    machine.says("memory.limit_in_bytes", str(700 * MIB))
    assert machine.limit == 700 * MIB


def test_a_container_that_is_told_a_path_of_its_host_reads_what_it_can_see(machine: Machine) -> None:
    machine.is_in("8:memory:/elsewhere/abc")
    machine.mounts(V1, root="/docker/abc")
    machine.says("memory.limit_in_bytes", str(700 * MIB))
    assert machine.limit == 700 * MIB


@pytest.mark.parametrize(("mount", "file", "text"), [(V2, "memory.max", "max"), (V1, "memory.limit_in_bytes", "9223372036854771712")])
def test_no_limit_is_none(machine: Machine, mount: str, file: str, text: str) -> None:
    machine.is_in("8:memory:/", "0::/")
    machine.mounts(mount)
    machine.says(file, text)
    assert machine.limit is None


def test_where_nothing_can_be_read_there_is_no_limit(machine: Machine) -> None:
    assert machine.limit is None
