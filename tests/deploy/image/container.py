"""Runs the image's commands by runc: read-only root, a uid of no account, no capability, a bound on memory."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tocsin.sandbox.process import Child, Launch

MIB: Final = 1_048_576
NAMESPACES: Final = ("pid", "ipc", "uts", "mount")
"""The network is the machine's own, on which the parts listen."""
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Container:
    """A running container."""

    name: str
    child: Child

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self.child.log.read_text()

    @property
    def peak_bytes(self) -> int:
        """Most memory that its control group has had so far, pages of files included."""
        return int(_first(V1 / self.name / "memory.max_usage_in_bytes", V2 / self.name / "memory.peak"))

    @property
    def killed_for_memory(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        text = _first(V1 / self.name / "memory.oom_control", V2 / self.name / "memory.events")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))

    def execute(self, *argv: str) -> int:
        """The exit code of another command in it."""
        words = ["runc", "exec", self.name, *argv]
        return subprocess.run(words, capture_output=True, timeout=120, check=False).returncode

    def stop(self, *, grace_s: float = 60.0) -> int:
        """Send its first process SIGTERM, and give that one's exit code."""
        self.child.stop(grace_s=grace_s)
        return self.child.exit_code


@dataclass(frozen=True)
class Image:
    """An unpacked image."""

    root: Path
    config: Mapping[str, Any]
    folder: Path
    """Where bundles and logs are put."""

    @contextmanager
    def running(
        self, *words: str, memory_mib: int, variables: Mapping[str, str], mounted: Mapping[Path, str] | None = None
    ) -> Iterator[Container]:
        """The entry point with these words, as the container's first process, until the block ends."""
        name = f"tocsin-{words[0].strip('-')}-{secrets.token_hex(4)}"
        bundle = self.folder / name
        bundle.mkdir(parents=True)
        (bundle / "config.json").write_text(json.dumps(self._spec(name, words, memory_mib, variables, mounted or {})))
        argv = ("/usr/sbin/runc", "run", "--bundle", str(bundle), name)
        made = Container(name, Child(Launch(name, argv, bundle, self.folder / f"{name}.log", None)))
        try:
            yield made
        finally:
            made.stop()
            subprocess.run(["runc", "delete", "--force", name], capture_output=True, timeout=60, check=False)

    def ended(self, *words: str, memory_mib: int = 512, variables: Mapping[str, str], **more: Any) -> tuple[int, str]:
        """Exit code and output of a command that ends by itself."""
        with self.running(*words, memory_mib=memory_mib, variables=variables, **more) as container:
            return container.child.exit_code, container.log

    def _spec(
        self, name: str, words: Sequence[str], memory_mib: int, variables: Mapping[str, str], mounted: Mapping[Path, str]
    ) -> dict[str, Any]:
        uid = 100_000 + secrets.randbelow(900_000_000)
        own = dict(each.split("=", 1) for each in self.config["Env"])
        nothing: dict[str, list[str]] = {each: [] for each in ("bounding", "effective", "permitted", "inheritable", "ambient")}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": 0},
                "args": [*self.config["Entrypoint"], *words],
                "env": [f"{key}={value}" for key, value in ({**variables, **own}).items()],
                "cwd": self.config.get("WorkingDir") or "/",
                "capabilities": nothing,
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.root), "readonly": True},
            "hostname": name,
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "mode=1777", "size=16m"]},
                {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "nodev"]},
                *(
                    {"destination": inside, "type": "bind", "source": str(outside), "options": ["bind", "ro"]}
                    for outside, inside in mounted.items()
                ),
            ],
            "linux": {
                "cgroupsPath": f"/{name}",
                "namespaces": [{"type": each} for each in NAMESPACES],
                "resources": {
                    "memory": {"limit": memory_mib * MIB, "swap": memory_mib * MIB},
                    "devices": [{"allow": False, "access": "rwm"}],
                },
            },
        }


def _first(*files: Path) -> str:
    for file in files:
        with suppress(OSError):
            return file.read_text()
    raise FileNotFoundError(files[0])
