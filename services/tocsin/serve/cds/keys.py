"""The public keys of one EHR: read when they are needed, kept for a while, and never read more often because a token asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWKError, PyJWTError

from tocsin.errors import ConfigurationError, Deferred
from tocsin.fhir.datatypes import Json, objects, text
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.settings.cds import Algorithm
from tocsin.telemetry.metrics import CDS_KEY_SETS

NEIGHBOUR: Final = "ehr"
KEY_SET_BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2048
"""NIST SP 800-131A and RFC 7518, 3.3."""

_CURVES: Final[Mapping[Algorithm, str]] = {"ES384": "P-384", "ES256": "P-256"}


class KeysAway(Exception):
    """There is no key set to check a signature by: its message says why, without an address."""


Read = Callable[[], bytes]
"""Reads a key set. Raises KeysAway."""


def over_http(http: Http, url: str) -> Read:
    """Reads the key set at this address; redirects are not followed."""

    def read() -> bytes:
        try:
            answer = http.exchange(
                "GET", url, neighbour=NEIGHBOUR, headers={"Accept": "application/json"}, body_bytes_max=KEY_SET_BYTES_MAX
            )
        except BodyTooLarge:
            raise KeysAway(f"the key set has more than {KEY_SET_BYTES_MAX} bytes") from None
        except (Deferred, ConfigurationError) as error:
            raise KeysAway(str(error)) from None
        if answer.status != 200:
            raise KeysAway(f"the key set's address answered {answer.status}")
        return answer.body

    return read


def from_file(file: Path) -> Read:
    """Reads the key set in this file, which may be exchanged at any time."""

    def read() -> bytes:
        try:
            with file.open("rb") as opened:
                content = opened.read(KEY_SET_BYTES_MAX + 1)
        except OSError as error:
            raise KeysAway(f"the key set's file cannot be read ({error.strerror})") from None
        if len(content) > KEY_SET_BYTES_MAX:
            raise KeysAway(f"the key set has more than {KEY_SET_BYTES_MAX} bytes")
        return content

    return read


@dataclass(frozen=True, slots=True)
class Patience:
    """How long keys are used, and how often they are asked for; seconds."""

    keep_s: float
    keep_max_s: float
    """Where they cannot be read again."""
    ask_every_s: float


@dataclass(frozen=True, slots=True)
class _Held:
    keys: Mapping[str, Sequence[Json]]
    """Key id -> keys; a set should not hold two of one id, and some do, one for each algorithm."""
    read_at: float
    made: dict[tuple[str, str], PyJWK | None] = field(default_factory=dict)


class KeySet:
    """One key set. Safe for threads: one of them reads it at a time, and who has keys to go on with does not wait for that."""

    def __init__(self, read: Read, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._patience, self._clock = read, patience, clock
        self._reading = threading.Lock()
        self._held: _Held | None = None
        self._asked_at: float | None = None
        self._why = ""

    def find(self, key_id: str, algorithm: Algorithm) -> PyJWK | None:
        """The key of exactly this id that fits the algorithm; None where the set has none. Raises KeysAway.

        A key id that the set does not hold has it read again, in case keys were rotated, but never within `ask_every_s` of the last time.
        """
        held = self._current()
        found = _key(held, key_id, algorithm)
        if found is None and self._may_ask() and (again := self._read_again(held)) is not held:
            found = _key(again, key_id, algorithm)
        return found

    def count(self) -> int:
        """How many keys the set holds, read now. Raises KeysAway."""
        return sum(map(len, _parsed(self._read()).values()))

    def _current(self) -> _Held:
        held, now = self._held, self._clock()
        if held is None or (now - held.read_at > self._patience.keep_s and self._may_ask()):
            held = self._read_again(held)
        if now - held.read_at > self._patience.keep_max_s:
            raise KeysAway(f"the keys could not be read for too long: {self._why}")
        return held

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= self._patience.ask_every_s

    def _read_again(self, held: _Held | None) -> _Held:
        """The set as it is now, or `held` where that cannot be had or another thread is at it. Raises KeysAway where there is none."""
        if not self._reading.acquire(blocking=held is None):
            assert held is not None, "only who has keys does not wait"
            return held
        try:
            if self._held is not held and self._held is not None:
                return self._held  # another thread has read it meanwhile
            if self._may_ask():
                self._ask()
        finally:
            self._reading.release()
        if self._held is None:
            raise KeysAway(self._why)
        return self._held

    def _ask(self) -> None:
        try:
            self._held = _Held(_parsed(self._read()), self._clock())
            CDS_KEY_SETS.add(1, {"result": "read"})
        except KeysAway as away:
            self._why = str(away)
            CDS_KEY_SETS.add(1, {"result": "failed"})
        finally:
            self._asked_at = self._clock()


def _parsed(content: bytes) -> dict[str, list[Json]]:
    """The keys by their ids. Raises KeysAway."""
    try:
        said: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise KeysAway("the key set is no JSON") from None
    keys = objects(said.get("keys")) if isinstance(said, dict) else []
    if not keys or len(keys) > KEYS_MAX:
        raise KeysAway(f"the key set holds no keys, or more than {KEYS_MAX}")
    found: dict[str, list[Json]] = {}
    for each in keys:
        if key_id := text(each.get("kid")):
            found.setdefault(key_id, []).append(each)
    return found


def _key(held: _Held, key_id: str, algorithm: Algorithm) -> PyJWK | None:
    if key_id not in held.keys:
        return None  # nothing is kept of ids that a token made up
    place = key_id, algorithm
    if place not in held.made:
        held.made[place] = next(filter(None, (_made(each, algorithm) for each in held.keys[key_id])), None)
    return held.made[place]


def _made(stated: Json, algorithm: Algorithm) -> PyJWK | None:
    """The key, if it is for signatures and of the algorithm's own kind and size; a key never decides which algorithm is used."""
    if stated.get("use") not in (None, "sig") or stated.get("alg") not in (None, algorithm):
        return None
    curve = _CURVES.get(algorithm)
    if stated.get("kty") != ("RSA" if curve is None else "EC") or (curve is not None and stated.get("crv") != curve):
        return None
    try:
        key = PyJWK({name: value for name, value in stated.items() if name in ("kty", "crv", "x", "y", "n", "e")}, algorithm)
    except (PyJWKError, PyJWTError, ValueError, TypeError):  # whatever a broken key makes of its decoder
        return None
    return key if curve is not None or key.key.key_size >= RSA_BITS_MIN else None
