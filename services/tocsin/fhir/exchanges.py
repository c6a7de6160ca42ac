"""Exchanges as generators: each request is yielded and its answer given back, so that one way of asking serves alone and side by side.

Whatever belongs to a request (token, bounds, spans, what an answer means) is written once, in the generator; who drives it decides whether
others go beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar

from tocsin.fhir.http import Answer, Get, Http

T = TypeVar("T")
AnyAnswer = TypeVar("AnyAnswer", bound=Answer)
_AnyAnswer = TypeVar("_AnyAnswer", bound=Answer, covariant=True)


class Send(Protocol[_AnyAnswer]):
    """Http.exchange, or Http.exchange_with_headers."""

    def __call__(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> _AnyAnswer: ...


class Request(NamedTuple, Generic[AnyAnswer]):
    """One request, and what sends it alone."""

    send: Send[AnyAnswer]
    neighbour: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    body_bytes_max: int

    def sent(self) -> AnyAnswer | Exception:
        """The answer, or what `send` raises."""
        send, neighbour, method, url, headers, body, limit = self
        try:
            return send(method, url, neighbour=neighbour, headers=headers, body=body, body_bytes_max=limit)
        except Exception as error:  # a value for now: it is thrown where the exchange's own way reads its answer
            return error


Exchanges = Generator[Request[Any], Any, T]
"""Exchanges that lead to a T."""


def alone(exchanges: Exchanges[T]) -> T:
    """What the exchanges lead to. Raises as they do."""
    return _driven(exchanges, partial(next, exchanges))


def side_by_side(http: Http, ways: Sequence[Exchanges[T]]) -> list[Callable[[], T]]:
    """Begin all of these, with a GET each to one neighbour, at once; gives for each what returns its result, or raises its error.

    Each ends as it does alone. What follows on a first answer (a token was renewed) is asked at once, and the others wait for it.
    """
    outcomes, gets, neighbour = dict[int, Callable[[], T]](), dict[int, Get](), ""
    for number, way in enumerate(ways):
        try:
            request = next(way)
        except Exception as error:  # raised again by whoever asks for this way's result
            outcomes[number] = partial(_raise, error)
        else:
            gets[number], neighbour = Get(request.url, request.headers, request.body_bytes_max), request.neighbour
    for number, answer in http.side_by_side(gets, neighbour=neighbour):
        way = ways[number]
        outcomes[number] = _kept(partial(_driven, way, _told(way, answer)))
    return [outcomes[number] for number in range(len(ways))]


def _driven(exchanges: Exchanges[T], step: Callable[[], Request[Any]]) -> T:
    """What the exchanges lead to, once `step` has taken them to their next request."""
    try:
        while True:
            step = _told(exchanges, step().sent())
    except StopIteration as end:
        result: T = end.value
        return result


def _told(exchanges: Exchanges[T], answer: Answer | Exception) -> Callable[[], Request[Any]]:
    return partial(exchanges.throw, answer) if isinstance(answer, Exception) else partial(exchanges.send, answer)


def _kept(lead: Callable[[], T]) -> Callable[[], T]:
    """What gives, as often as it is asked, the result or the error of `lead`, which is called now."""
    try:
        result = lead()
    except Exception as error:  # raised again by whoever asks for this way's result
        return partial(_raise, error)
    return lambda: result


def _raise(error: Exception) -> NoReturn:
    raise error
