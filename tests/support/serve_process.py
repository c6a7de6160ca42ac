"""`tocsin serve` as a process of a test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tocsin.network import HOST, free_ports

from tests.support.waiting import eventually


@dataclass
class Process:
    """A running `tocsin serve`."""

    child: subprocess.Popen[bytes]
    origin: str
    health: str
    log: Path

    def page(self, path: str) -> tuple[int, dict[str, Any]]:
        """A health page."""
        try:
            with urlopen(self.health + path, timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as answer:
            return answer.code, json.loads(answer.read())

    def ready(self, status: int) -> bool:
        """Whether /ready answers so."""
        try:
            return self.page("/ready")[0] == status
        except OSError:
            return False


@contextmanager
def process(
    redis_url: str, folder: Path, *, port: int | None = None, name: str = "serve", more: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """The process until the block ends, on this port or a free one; it logs to `folder/NAME.log`."""
    free, health = free_ports(2)
    port = port or free
    settings = {
        "TOCSIN_REDIS__URL": redis_url,
        "TOCSIN_REDIS__CONNECT_TIMEOUT_S": "1",
        "TOCSIN_SERVE__PORT": str(port),
        "TOCSIN_SERVE__PUBLIC_URL": f"http://{HOST}:{port}",
        "TOCSIN_SERVE__LINGER_S": "0",
        "TOCSIN_METRICS__PORT": str(health),
        "TOCSIN_METRICS__HOST": HOST,
        "TOCSIN_METRICS__PING_EVERY_S": "0.2",
    }
    log = folder / f"{name}.log"
    with log.open("wb") as written:
        child = subprocess.Popen([sys.executable, "-m", "tocsin", "serve"], env={**os.environ, **settings, **(more or {})}, stderr=written)
    made = Process(child, f"http://{HOST}:{port}", f"http://{HOST}:{health}", log)
    try:
        eventually(lambda: made.ready(200), within_s=30, what="a server that is ready")
        yield made
    finally:
        child.kill()
        child.wait(10)
