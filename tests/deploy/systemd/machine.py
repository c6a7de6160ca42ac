"""A systemd of its own, as process 1 of namespaces of its own, that runs Tocsin's units as a site's machine does.

It sees this machine's files, and writes to none of them: /run, /tmp, /var and /etc are its own. The network is this machine's, so that its
processes reach the embedded stack. Needs root, a kernel that gives namespaces, and the control groups' hierarchy `name=systemd`, as
systemd 252 has it on a machine without the unified one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.deploy.systemd import units
from tests.support.waiting import eventually

SYSTEMD: Final = Path("/lib/systemd/systemd")
CONTROLLERS: Final = ("systemd", "memory", "pids")
GROUPS: Final = Path("/sys/fs/cgroup")
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
TARGETS: Final = ("default", "sysinit", "basic", "multi-user", "network-online", "shutdown")
BOOT_WITHIN_S = 60

BOOT: Final = f"""set -e
mount --make-rprivate /
mount --rbind "$1" /srv
umount -l /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
mkdir {" ".join(f"/sys/fs/cgroup/{each}" for each in CONTROLLERS)}
mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory
mount -t cgroup -o pids cgroup /sys/fs/cgroup/pids
mount -t proc proc /proc
for each in /run /tmp /var/tmp /var/lib; do mount -t tmpfs tmpfs $each; done
chmod 755 /run /var/lib
chmod 1777 /tmp /var/tmp
mkdir -p /run/lock /run/own/upper /run/own/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/own/upper,workdir=/run/own/work overlay /etc
mkdir /etc/tocsin
mount --bind /srv/etc /etc/tocsin
mount --bind /srv/units /etc/systemd/system
mount --rbind /srv/opt /opt
mount --rbind "$2" /opt/python
mount --rbind "$3" /opt/site
mount --make-rshared / # as systemd itself does where it is not told that it is in a container: secrets are handed over so
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=tocsin-test SYSTEMD_UNIT_PATH=/etc/systemd/system \\
    {SYSTEMD} --system --unit=default.target --log-target=console --show-status=no
"""

OF_THIS_MACHINE: Final = """[Service]
Environment=PYTHONPATH=/opt/wheel:/opt/site LD_LIBRARY_PATH=/opt/python/lib
StandardOutput=append:/srv/log/%p.log
StandardError=inherit
RestartSec=1s
"""
"""What differs from a site's machine: Python and what Tocsin needs lie elsewhere, there is no journal, and nobody waits for 15 s."""


class NoMachine(Exception):
    """This machine cannot run a systemd of its own."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A running systemd."""

    folder: Path
    """Its /srv: units, settings (`etc`), programs (`opt`) and logs (`log`)."""
    pid: int

    def systemctl(self, *words: str, within_s: float = 120.0) -> str:
        """What systemctl prints; raises CalledProcessError where it fails."""
        return self.inside("systemctl", "--no-pager", *words, within_s=within_s).stdout

    def inside(self, *argv: str, within_s: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of root's on it."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        return subprocess.run([*enter, *argv], capture_output=True, text=True, timeout=within_s, check=check)

    def of(self, unit: str, name: str) -> str:
        """What systemd holds of the unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit).strip()

    def log(self, unit: str) -> str:
        """All that the unit's processes printed."""
        return (self.folder / "log" / f"{unit}.log").read_text()

    def set(self, variables: Mapping[str, str]) -> None:
        """Write the file of settings."""
        file = self.folder / "etc" / "tocsin.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
        file.chmod(0o600)


@contextmanager
def running(folder: Path, installed: Path, settings: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[Machine]:
    """A machine with Tocsin's units, the wheel that was installed into a folder, settings and secrets, until the block ends.

    Raises NoMachine, with what is missing.
    """
    _look()
    _fill(folder, installed, secrets)
    groups = [GROUPS / each / f"tocsin-{os.getpid()}" for each in CONTROLLERS]
    try:
        with _booted(folder, groups) as machine:
            machine.set(settings)
            yield machine
    finally:
        for group in groups:
            _forget(group)


def _look() -> None:
    missing = [str(each) for each in (SYSTEMD, *(GROUPS / each / "cgroup.procs" for each in CONTROLLERS)) if not each.exists()]
    if os.geteuid() or missing:
        raise NoMachine(f"a systemd of one's own needs root and {', '.join(missing) or 'nothing else'}")


def _fill(folder: Path, installed: Path, secrets: Mapping[str, str]) -> None:
    folder.chmod(0o755)  # the processes belong to nobody who was here before
    for name in ("etc/secrets", "log", "opt/tocsin/bin", "opt/python", "opt/site"):
        (folder / name).mkdir(parents=True)
    (folder / "opt" / "wheel").symlink_to("/srv/wheel")
    installed.rename(folder / "wheel")
    program = folder / "opt" / "tocsin" / "bin" / "tocsin"
    program.write_text(f"#!/opt/python/bin/{PYTHON}\nfrom tocsin.cli import main\n\nmain()\n")
    program.chmod(0o755)
    for name, value in secrets.items():
        (folder / "etc" / "secrets" / name).write_text(value)
        (folder / "etc" / "secrets" / name).chmod(0o600)
    (folder / "etc" / "secrets").chmod(0o700)
    copied = units.copied(folder / "units")
    for target in TARGETS:
        (copied / f"{target}.target").write_text(f"[Unit]\nDescription={target}, with nothing of a machine's own in it\n")
    (copied / units.COMMON.parent.name / "site.conf").write_text(OF_THIS_MACHINE)


@contextmanager
def _booted(folder: Path, groups: list[Path]) -> Iterator[Machine]:
    for group in groups:
        group.mkdir()
    site = next(Path(each) for each in sys.path if each.endswith("site-packages"))
    join = 'for each in "${@:4}"; do echo $$ > "$each/cgroup.procs"; done'
    unshare = 'exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child bash -c "$BOOT" boot "$1" "$2" "$3"'
    argv = ["bash", "-c", f"set -e; {join}; {unshare}", "join", str(folder), sys.base_prefix, str(site), *map(str, groups)]
    with (folder / "log" / "systemd").open("wb") as log:
        process = subprocess.Popen(argv, env={**os.environ, "BOOT": BOOT}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: _is_up(process, folder), within_s=BOOT_WITHIN_S, what=f"a systemd, see {folder / 'log' / 'systemd'},")
        yield Machine(folder, _first(process))
    finally:
        with contextlib.suppress(IndexError, ProcessLookupError, FileNotFoundError):
            os.kill(_first(process), signal.SIGKILL)  # and with it all that it runs
        process.kill()
        process.wait()


def _first(process: subprocess.Popen[bytes]) -> int:
    """The pid of the namespace's process 1."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def _is_up(process: subprocess.Popen[bytes], folder: Path) -> bool:
    if process.poll() is not None:
        said = (folder / "log" / "systemd").read_text(errors="replace").strip().rpartition("\n")[2]
        raise NoMachine(f"systemd ended with exit code {process.returncode}: {said}")
    try:
        return "running" in Machine(Path(), _first(process)).inside("systemctl", "is-system-running", check=False).stdout
    except IndexError:
        return False


def _forget(group: Path) -> None:
    """Remove a control group; the kernel takes a moment to empty it."""
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for each in sorted(group.rglob("*/"), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                each.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
