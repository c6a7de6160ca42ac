"""How often one caller may ask: a bucket of tokens for each, in bounded memory.

The buckets are a process's own: behind n processes a caller may ask n times as often. What is bounded by them is the harm of one caller
to the others, for which that is near enough; counting in Redis would cost each request one more exchange.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar, Final

from flask import request

from tocsin.serve.doors import Problem

CALLERS_MAX: Final = 10_000
"""Most callers that are remembered; of a forgotten one the bucket is full again."""

Clock = Callable[[], float]
"""Monotonic seconds."""


class Limit:
    """At most so many in a minute for each caller, all of them at once if they like. Safe for threads."""

    def __init__(self, per_minute: int, clock: Clock = time.monotonic, callers_max: int = CALLERS_MAX) -> None:
        self._burst = float(per_minute)
        self._per_s = per_minute / 60
        self._clock = clock
        self._callers_max = callers_max
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, caller: str) -> float:
        """Count one request of the caller: 0 if it may go on, else the seconds after which another may."""
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(caller, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_s)
            taken = left >= 1
            self._left[caller] = (left - 1 if taken else left, now)
            if len(self._left) > self._callers_max:
                self._left.popitem(last=False)
        return 0.0 if taken else math.ceil((1 - left) / self._per_s)


class TooOften(Problem):
    """One caller asks more often than the settings allow."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    title: ClassVar[str] = "Too many requests"
    advice: ClassVar[str] = "Wait a moment, then open the page again."
    reason = "too-often"


def refuse_beyond(limit: Limit, who: str) -> None:
    """Count one request. Raises TooOften."""
    if wait_s := limit.wait_s(who):
        problem = TooOften()
        problem.retry_after_s = wait_s
        raise problem


def caller(proxies: int) -> str:
    """Whose request it is: the peer's address, or what the site's own proxies say of whom they were asked by."""
    if not proxies:
        return request.remote_addr or ""
    chain = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",") if each.strip()]
    return chain[-proxies] if len(chain) >= proxies else request.remote_addr or ""
