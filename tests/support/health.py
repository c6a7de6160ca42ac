"""What a process answers whoever asks how it is."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
from tocsin.network import HOST

from tests.support.waiting import eventually


class Logged(Protocol):
    """Whoever keeps the logs of processes."""

    def log(self, name: str) -> str:
        """What the process of this name wrote until now."""


class Health:
    """What a process answers on the port that its log names."""

    def __init__(self, logs: Logged, name: str = "consume", event: str = "consuming") -> None:
        """`event` is the line that names the port."""
        eventually(lambda: bool(said(logs, event, name)), within_s=60, what="the port in the log")
        [line] = said(logs, event, name)
        self._origin = f"http://{HOST}:{line['port']}"

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """The status and the page."""
        try:
            with urlopen(self._origin + path, timeout=5) as answer:
                return answer.status, orjson.loads(answer.read())
        except HTTPError as answer:
            return answer.code, orjson.loads(answer.read())

    def becomes(self, *, ready: int, because: str = "", within_s: float = 30) -> dict[str, Any]:
        """The page once its status is that, and one of its reasons `because`; a process that waits for others is live all the while."""

        def so() -> bool:
            status, page = self.ask("/ready")
            return status == ready and because in ("", *page["not_ready_because"])

        eventually(so, within_s=within_s, what=f"/ready {ready} {because}")
        status, page = self.ask("/live")
        assert status == 200, page
        return page


def said(logs: Logged, event: str, name: str = "consume") -> list[dict[str, Any]]:
    """The lines with this event."""
    lines = (line for line in logs.log(name).splitlines() if line.startswith("{"))
    return [line for line in map(orjson.loads, lines) if line["event"] == event]
