"""Run by systemd with the restrictions of Tocsin's units: prints each thing that went otherwise than the units promise."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Act = Callable[[], Any]


def written(folder: str) -> Act:
    """Writes a file into the folder."""
    return lambda: Path(folder, "tocsin-probe").write_text("x")


POSSIBLE: dict[str, Act] = {
    "read the secret that was handed over": lambda: Path(os.environ["TOCSIN_REDIS__URL_FILE"]).read_text(),
    "read an authority's file": lambda: Path("/etc/ssl/certs/ca-certificates.crt").read_bytes(),
    "write temporary files": written("/tmp"),
    "write shared memory, as Celery's locks do": written("/dev/shm"),
    "make a semaphore": multiprocessing.Semaphore,
    "find an address by name": lambda: socket.getaddrinfo("localhost", 80),
    "be called back from C": lambda: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)(),
    "multiply matrices": lambda: __import__("numpy").ones((300, 300)) @ __import__("numpy").ones((300, 300)),
    "load libcurl": lambda: __import__("pycurl").Curl(),
    "load gRPC": lambda: __import__("grpc").insecure_channel("127.0.0.1:1"),
    "load libjpeg": lambda: __import__("simplejpeg"),
}
FORBIDDEN: dict[str, Act] = {
    "read root's secrets": lambda: list(Path("/etc/tocsin/secrets").iterdir()),
    "read root's settings": lambda: Path("/etc/tocsin/tocsin.env").read_text(),
    "look into a home": lambda: list(Path("/root").iterdir()),
    **{f"write {folder}": written(folder) for folder in ("/etc", "/usr", "/opt", "/srv", "/run", "/dev", "/var/lib", "/")},
    "make memory that is written and run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "speak to the kernel by netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "send raw packets": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "take another priority": lambda: os.nice(1),
    "choose its processors": lambda: os.sched_setaffinity(0, {0}),
    "become root": lambda: os.setuid(0),
    "see another process": lambda: Path("/proc/1/status").read_text(),
}


def happened(act: Act) -> bool:
    """Whether the act succeeded."""
    try:
        act()
    except (OSError, ImportError, MemoryError):
        return False
    return True


for what, act in POSSIBLE.items():
    if not happened(act):
        print(f"it cannot {what}")
for what, act in FORBIDDEN.items():
    if happened(act):
        print(f"it can {what}")
if os.getuid() == 0:
    print("it is root")
