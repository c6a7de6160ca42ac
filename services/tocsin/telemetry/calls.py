"""What a journey does and whom it asks, as spans and as durations: its stages, requests to servers, records sent.

Names and attributes are those of OpenTelemetry's semantic conventions: HTTP (stable), RPC and messaging (in development, as
opentelemetry-semantic-conventions 0.66 has them). A request's route stands in the place of its address, which would hold ids of patients.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Final, Literal

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind

from tocsin.telemetry.metrics import HTTP_DURATION, RPC_DURATION, STAGE_DURATION
from tocsin.telemetry.trace import Attributes, context_of, fail, leaf, sampled_context, span, took, trace_headers

Stage = Literal["fetch", "decode", "gate", "infer", "find", "write", "announce"]

ABSENT: Final = frozenset({404, 410})
"""Statuses that are an answer: whether a report stands is asked so. (HTTP spans: who knows more of a request may set its status so.)"""

TRITON_METHOD: Final = "inference.GRPCInferenceService/ModelInfer"


def request_id() -> str:
    """An id of one request: 32 random hex digits, by which a server's log and ours name it. It is no secret."""
    return f"{random.getrandbits(128):032x}"


class stage:  # noqa: N801 - used like a function, in `with`
    """One stage of a journey."""

    __slots__ = ("_began", "_name", "_span")

    def __init__(self, name: Stage) -> None:
        self._name = name
        self._span = span(name)

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        self._span.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._span.__exit__(kind, error, where)
        seconds = time.perf_counter() - self._began
        took(self._name, seconds)
        STAGE_DURATION.record(seconds, {"stage": self._name})


class http_request:  # noqa: N801 - used like a function, in `with`
    """One HTTP request to a server; `headers` then carry its trace. No span begins within it."""

    __slots__ = ("_asked", "_began", "_labels", "_span")

    def __init__(self, method: str, route: str, host: str, port: int) -> None:
        """`route` names no id: `Patient/{id}`."""
        self._asked = (method, route, host, port)

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers that carry the request's trace."""
        return context_of(self._span)

    def __enter__(self) -> http_request:
        self._began = time.perf_counter()
        self._labels = _labels(*self._asked)
        self._span = leaf(*_name_and_attributes(*self._asked))
        return self

    def answered(self, status: int) -> None:
        """The whole answer is there."""
        self._labels = _labels(*self._asked, status)
        self._span.set_attribute("http.response.status_code", status)
        if _is_error(status):
            fail(self._span, str(status))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if error is not None:
            why = type(error).__name__
            fail(self._span, why)
            self._labels = {**self._labels, "status_class": "none", "error.type": why}
        self._span.end()
        HTTP_DURATION.record(time.perf_counter() - self._began, self._labels)


def _is_error(status: int) -> bool:
    return status >= 400 and status not in ABSENT


@lru_cache(maxsize=1024)
def _labels(method: str, route: str, host: str, port: int, status: int | None = None) -> Mapping[str, str]:
    """The metric's labels for a request; for all of its kind, so that nobody changes them."""
    asked = {"http.request.method": method, "url.template": route, "server.address": host, "server.port": str(port)}
    if status is None:
        return asked
    answered = {"http.response.status_code": str(status), "status_class": f"{status // 100}xx"}
    return asked | answered | ({"error.type": str(status)} if _is_error(status) else {})


@lru_cache(maxsize=1024)
def _name_and_attributes(method: str, route: str, host: str, port: int) -> tuple[str, SpanKind, Attributes]:
    """What a request's span begins with; for all of its kind, so that nobody changes it."""
    attributes: Attributes = {"http.request.method": method, "url.template": route, "server.address": host, "server.port": port}
    return f"{method} {route}", SpanKind.CLIENT, attributes


class triton_request:  # noqa: N801 - used like a function, in `with`
    """One inference by Triton; `metadata` then carries its trace where that is sampled.

    A context that is not sampled stays here: Triton traces whatever carries one, and its spans would be a trace without a beginning.
    """

    __slots__ = ("_began", "_labels", "_span", "metadata")

    def __init__(self, host: str, port: int) -> None:
        self._labels = {"rpc.system.name": "grpc", "rpc.method": TRITON_METHOD}
        self._span = span(TRITON_METHOD, SpanKind.CLIENT, {**self._labels, "server.address": host, "server.port": port})

    def __enter__(self) -> triton_request:
        self._began = time.perf_counter()
        self._span.__enter__()
        self.metadata = sampled_context()
        return self

    def answered(self, status: str) -> None:
        """The answer is there, or the word that there is none; `status` as gRPC names it (OK, UNAVAILABLE...)."""
        self._labels["rpc.response.status_code"] = status
        self._span.span.set_attribute("rpc.response.status_code", status)
        if status != "OK":
            self._labels["error.type"] = status

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._span.__exit__(kind, error, where)
        RPC_DURATION.record(time.perf_counter() - self._began, self._labels)


class sending:  # noqa: N801 - used like a function, in `with`
    """One record sent to Kafka; gives the record headers that carry its trace."""

    __slots__ = ("_span",)

    def __init__(self, topic: str, links: Sequence[SpanContext | None] = (), *, apart: bool = False) -> None:
        """`apart`: the record begins a trace of its own, since what becomes of it is another journey; it links to `links`."""
        self._span = span(
            f"send {topic}",
            SpanKind.PRODUCER,
            {
                "messaging.system": "kafka",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
            },
            [Link(each) for each in links if each is not None],
            Context() if apart else None,
        )

    def __enter__(self) -> list[tuple[str, bytes]]:
        self._span.__enter__()
        return trace_headers()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._span.__exit__(kind, error, where)
