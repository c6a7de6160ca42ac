"""Keys are read when needed, kept for a while, rotated without a restart, and never read more often because tokens ask for it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tocsin.fhir.http import Http
from tocsin.serve.cds.keys import KEY_SET_BYTES_MAX, KeysAway, KeySet, Patience, from_file, over_http

from tests.support.cds_caller import ec_key, jwk, jwks, rsa_key
from tests.support.web import Reply, web

FIRST, SECOND = jwks(jwk(ec_key(), "k1")), jwks(jwk(ec_key(1), "k2"))


class Place:
    """Where a key set lies, and how often it was read."""

    def __init__(self, content: bytes | None = FIRST) -> None:
        self.content, self.reads, self.now = content, 0, 1000.0

    def read(self) -> bytes:
        self.reads += 1
        if self.content is None:
            raise KeysAway("away")
        return self.content

    def keys(self) -> KeySet:
        return KeySet(self.read, Patience(keep_s=100, keep_max_s=1000, ask_every_s=10), lambda: self.now)


def test_a_set_is_read_once_for_many_tokens() -> None:
    place = Place()
    keys = place.keys()
    assert all(keys.find("k1", "ES384") for _ in range(5))
    assert place.reads == 1


def test_a_rotated_key_is_found_at_its_first_token() -> None:
    place = Place()
    keys = place.keys()
    assert keys.find("k1", "ES384")
    place.content, place.now = SECOND, place.now + 11
    assert keys.find("k2", "ES384")
    assert keys.find("k1", "ES384") is None


def test_made_up_key_ids_have_the_set_read_once_in_a_while_and_no_more() -> None:
    place = Place()
    keys = place.keys()
    for number in range(1000):
        assert keys.find(f"made-up-{number}", "ES384") is None
    assert place.reads == 1
    place.now += 11
    for number in range(1000):
        assert keys.find(f"made-up-{number}", "ES384") is None
    assert place.reads == 2


def test_a_set_is_read_again_when_it_has_been_kept_long_enough() -> None:
    place = Place()
    keys = place.keys()
    keys.find("k1", "ES384")
    place.content, place.now = SECOND, place.now + 101
    assert keys.find("k1", "ES384") is None


def test_keys_outlive_an_outage_of_their_server_and_not_for_ever() -> None:
    place = Place()
    keys = place.keys()
    keys.find("k1", "ES384")
    place.content, place.now = None, place.now + 500
    assert keys.find("k1", "ES384")
    assert place.reads == 2
    place.now += 501
    with pytest.raises(KeysAway):
        keys.find("k1", "ES384")


def test_a_set_that_was_never_read_is_not_asked_for_at_every_call() -> None:
    place = Place(None)
    keys = place.keys()
    for _ in range(5):
        with pytest.raises(KeysAway):
            keys.find("k1", "ES384")
    assert place.reads == 1
    place.content, place.now = FIRST, place.now + 11
    assert keys.find("k1", "ES384")


def test_who_has_keys_does_not_wait_for_another_thread_that_reads_them_again() -> None:
    place, begun, go_on = Place(), threading.Event(), threading.Event()
    keys = KeySet(lambda: _slow(place, begun, go_on), Patience(100, 1000, 10), lambda: place.now)
    go_on.set()
    assert keys.find("k1", "ES384")
    go_on.clear()
    begun.clear()
    place.now += 101
    reader = threading.Thread(target=lambda: keys.find("k1", "ES384"))
    reader.start()
    assert begun.wait(5)
    assert keys.find("k1", "ES384")
    go_on.set()
    reader.join(5)
    assert place.reads == 2


def _slow(place: Place, begun: threading.Event, go_on: threading.Event) -> bytes:
    begun.set()
    assert go_on.wait(5)
    return place.read()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [3]}', b"<html>", jwks(*[jwk(ec_key(), "k")] * 101)],
    ids=lambda content: content[:20],
)
def test_what_is_no_key_set_is_said_so(content: bytes) -> None:
    with pytest.raises(KeysAway):
        Place(content).keys().find("k1", "ES384")


def test_a_key_fits_the_algorithm_of_its_own_kind_alone() -> None:
    keys = Place(jwks(jwk(rsa_key(), "r"), jwk(ec_key(3, "P-256"), "p"), jwk(ec_key(), "e"))).keys()
    fits = {(kid, alg): keys.find(kid, alg) is not None for kid in "rpe" for alg in ("ES384", "ES256", "RS384", "RS256")}
    assert {place for place, fit in fits.items() if fit} == {("r", "RS384"), ("r", "RS256"), ("p", "ES256"), ("e", "ES384")}


BROKEN: list[dict[str, Any]] = [{"use": "enc"}, {"alg": "ES256"}, {"x": "AA"}, {"x": 3}, {"crv": None}, {"kty": "oct", "k": "AAAA"}]


@pytest.mark.parametrize("change", BROKEN, ids=str)
def test_a_key_for_something_else_or_a_broken_one_is_none(change: dict[str, Any]) -> None:
    assert Place(jwks(jwk(ec_key(), "k") | change)).keys().find("k", "ES384") is None


def test_a_short_rsa_key_is_none() -> None:
    assert Place(jwks(jwk(rsa_key(0, 1024), "k"))).keys().find("k", "RS384") is None


def test_of_two_keys_of_one_id_the_one_that_fits_is_taken() -> None:
    keys = Place(jwks(jwk(rsa_key(), "k"), jwk(ec_key(), "k"))).keys()
    assert keys.find("k", "ES384") is not None
    assert keys.find("k", "RS384") is not None


def test_a_file_is_read_again_as_it_was_exchanged(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    with pytest.raises(KeysAway, match="No such file"):
        from_file(file)()
    file.write_bytes(FIRST)
    assert from_file(file)() == FIRST
    file.write_bytes(b" " * (KEY_SET_BYTES_MAX + 1))
    with pytest.raises(KeysAway, match="more than"):
        from_file(file)()


@pytest.mark.parametrize("reply", [Reply(302, headers={"Location": "/jwks.json"}), Reply(500), Reply(200, b" " * (KEY_SET_BYTES_MAX + 1))])
def test_a_server_that_leads_elsewhere_fails_or_floods_gives_no_keys(reply: Reply) -> None:
    with web() as site:
        site.replies["/keys"] = reply
        http = Http(connect_timeout_s=2, request_timeout_s=2, group="CDS")
        with pytest.raises(KeysAway) as away:
            over_http(http, f"{site.origin}/keys")()
        assert len(site.asked) == 1
        assert site.origin not in str(away.value)
        site.replies["/keys"] = Reply(200, FIRST)
        assert over_http(http, f"{site.origin}/keys")() == FIRST
