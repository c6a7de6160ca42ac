"""Asks processes for their metrics and health: all at once, each with a deadline and a bound on what is read.

Neither a proxy of the environment nor a redirect is followed: these are addresses of the house.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from queue import Empty, Queue
from typing import Any, Final
from urllib.error import URLError
from urllib.request import HTTPErrorProcessor, OpenerDirector, ProxyHandler, Request, build_opener

from tocsin.network import met

METRICS_BYTES_MAX: Final = 2_097_152
"""Several times what a process of ours writes; a stranger's of this size is read, or refused, within seconds."""
READY_BYTES_MAX: Final = 65_536
CHUNK_BYTES: Final = 65_536
METRICS: Final = "/metrics"
READY: Final = "/ready"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process said when it was asked."""

    address: str
    at_s: float
    """When it was asked, in monotonic seconds."""
    metrics: str | None
    """The body of /metrics; None where there was none."""
    ready: bytes | None
    """The body of /ready, whatever its status; None where there was none."""
    missing_because: str = ""
    """Why there are no metrics; empty where there are."""


class Scraper:
    """Asks the same processes again and again; one that has not answered yet is not asked a second time meanwhile."""

    def __init__(self, addresses: Sequence[str], within_s: float) -> None:
        """`within_s`: seconds after which a process that has not answered in full is told as silent."""
        self._addresses, self._within_s = tuple(dict.fromkeys(addresses)), within_s
        self._threads: dict[str, threading.Thread] = {}

    def ask(self) -> list[Answer]:
        """The answer of each process, in the order of their addresses; it takes no longer than `within_s`."""
        now_s, answers = time.monotonic(), Queue[Answer]()
        asked = [address for address in self._addresses if not self._is_asked(address)]
        for address in asked:
            self._start(address, now_s, answers)
        found = _collected(answers, len(asked), now_s + self._within_s)
        return [found.get(address) or self._silent(address, now_s) for address in self._addresses]

    def _is_asked(self, address: str) -> bool:
        thread = self._threads.get(address)
        return thread is not None and thread.is_alive()

    def _start(self, address: str, now_s: float, answers: Queue[Answer]) -> None:
        def answer() -> None:
            answers.put(_answer(address, now_s, self._within_s))

        self._threads[address] = thread = threading.Thread(target=answer, name=f"top-{address}", daemon=True)
        thread.start()

    def _silent(self, address: str, now_s: float) -> Answer:
        return Answer(address, now_s, None, None, met(TimeoutError()))


def _collected(answers: Queue[Answer], count: int, deadline_s: float) -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    while len(found) < count:
        try:
            answer = answers.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except Empty:
            break
        found[answer.address] = answer
    return found


def _answer(address: str, now_s: float, within_s: float) -> Answer:
    deadline_s = now_s + within_s
    try:
        status, body = _page(address, METRICS, METRICS_BYTES_MAX, deadline_s)
    except Unanswered as error:
        return Answer(address, now_s, None, None, str(error))
    ready = _ready(address, deadline_s)
    if status != 200:
        return Answer(address, now_s, None, ready, f"HTTP {status} to {METRICS}")
    return Answer(address, now_s, body.decode(errors="replace"), ready)


def health(address: str, within_s: float) -> bytes | None:
    """The body of the process's /ready, whatever its status; None where it did not answer within `within_s`."""
    return _ready(address, time.monotonic() + within_s)


def told(address: str, path: str, within_s: float) -> tuple[int, bytes]:
    """The status and body of one of the process's health pages. Raises Unanswered."""
    return _page(address, path, READY_BYTES_MAX, time.monotonic() + within_s)


def _ready(address: str, deadline_s: float) -> bytes | None:
    try:
        return _page(address, READY, READY_BYTES_MAX, deadline_s)[1]
    except Unanswered:
        return None


class Unanswered(Exception):
    """There is no answer; its text says why, in words of this program and this machine alone."""


class _AsItIs(HTTPErrorProcessor):
    """Takes every status for an answer: 503 of /ready has a page, and a redirect is not followed."""

    def http_response(self, request: Request, response: Any) -> Any:
        """See HTTPErrorProcessor."""
        return response

    https_response = http_response


def _opener() -> OpenerDirector:
    return build_opener(ProxyHandler({}), _AsItIs())


def _page(address: str, path: str, bytes_max: int, deadline_s: float) -> tuple[int, bytes]:
    """The status and body at the path. Raises Unanswered."""
    try:
        with _opener().open(address.rstrip("/") + path, timeout=_left_s(deadline_s)) as answer:
            return answer.status, _body(answer, path, bytes_max, deadline_s)
    except URLError as error:
        raise Unanswered(met(error.reason) if isinstance(error.reason, OSError) else "it cannot be asked") from None
    except OSError as error:
        raise Unanswered(met(error)) from None
    except (HTTPException, ValueError):  # no HTTP, or an address that urllib takes for none
        raise Unanswered("it does not speak HTTP") from None


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _body(answer: Any, path: str, bytes_max: int, deadline_s: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1(CHUNK_BYTES):
        body += chunk
        if len(body) > bytes_max:
            raise Unanswered(f"its {path} is larger than {bytes_max} bytes")
        _left_s(deadline_s)
    if answer.length:
        raise Unanswered(f"its {path} breaks off")
    return bytes(body)
