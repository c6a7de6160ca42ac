"""Only the files that the lock names are used, whatever lies in the cache or comes over the network."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tocsin.sandbox.artifacts import Jar, Patience, cache_folder, fetch_jars, fetch_wheel, locked
from tocsin.sandbox.errors import ArtifactDamaged, ArtifactUnavailable, Interrupted
from tocsin.terminal import Silent, Step, Unit

WHEEL = "nothing_much-1.0-py3-none-any.whl"
HASTY = Patience(pauses_s=(0.0, 0.0))


@dataclass
class FakeStore:
    """Hands out prepared bytes, after as many failures as it is told."""

    contents: dict[str, bytes]
    failures: int = 0
    asked: list[str] = field(default_factory=list)

    def fetch(self, jar: Jar, folder: Path, received: Callable[[int], None]) -> Path:
        self.asked.append(jar.artifact)
        content = self.contents[jar.artifact]
        received(len(content))
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError
        folder.mkdir(parents=True)
        path = folder / "anything.jar"
        path.write_bytes(content)
        return path


@dataclass
class Counting:
    """Remembers what was shown."""

    shown: list[tuple[str, float | None, Unit]] = field(default_factory=list)
    done: float = 0
    moved: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def step(self, what: str, *, total: float | None = None, unit: Unit = "items") -> Iterator[Step]:
        self.shown.append((what, total, unit))
        yield self

    def advance(self, amount: float) -> None:
        self.done += amount
        self.moved.set()


def jar(name: str, content: bytes) -> Jar:
    return Jar("kafka", "org.example", name, "1.0", "", len(content), hashlib.sha256(content).hexdigest())


def fetch(jars: list[Jar], cache: Path, store: FakeStore, progress: Counting | None = None) -> tuple[Path, ...]:
    return fetch_jars(jars, "parts", cache, progress or Counting(), interrupted=threading.Event(), store=store, patience=HASTY)


def test_absent_files_are_fetched_once_and_shown_in_bytes(tmp_path: Path) -> None:
    store, progress = FakeStore({"a": b"first", "b": b"second"}), Counting()
    jars = [jar("a", b"first"), jar("b", b"second")]
    paths = fetch(jars, tmp_path, store, progress)
    assert [path.read_bytes() for path in paths] == [b"first", b"second"]
    assert progress.shown == [("fetching parts", 11, "bytes")]
    assert progress.done == 11
    assert fetch(jars, tmp_path, store) == paths
    assert sorted(store.asked) == ["a", "b"]


def test_a_damaged_cached_file_is_fetched_again(tmp_path: Path) -> None:
    store = FakeStore({"a": b"first"})
    (path,) = fetch([jar("a", b"first")], tmp_path, store)
    path.write_bytes(b"fyrst")
    assert fetch([jar("a", b"first")], tmp_path, store)[0].read_bytes() == b"first"
    assert store.asked == ["a", "a"]


def test_a_fetched_file_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged, match=r"org\.example:a:1\.0 arrived with another SHA-256"):
        fetch([jar("a", b"first")], tmp_path, FakeStore({"a": b"other"}))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_lost_connection_is_tried_again_and_its_bytes_are_not_counted_twice(tmp_path: Path) -> None:
    progress = Counting()
    fetch([jar("a", b"first")], tmp_path, FakeStore({"a": b"first"}, failures=2), progress)
    assert progress.done == 5


def test_a_store_that_stays_away_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactUnavailable, match=r"org\.example:a:1\.0 could not be fetched in 3 attempts .*HTTPS_PROXY"):
        fetch([jar("a", b"first")], tmp_path, FakeStore({"a": b"first"}, failures=9))


def test_fetching_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    interrupted = threading.Event()
    interrupted.set()
    with pytest.raises(Interrupted):
        fetch_jars([jar("a", b"x")], "parts", tmp_path, Silent(), interrupted=interrupted, store=FakeStore({"a": b"x"}))
    assert not list((tmp_path / "jars").iterdir())


def test_the_lock_names_each_file_once_and_with_a_hash() -> None:
    jars = (*locked("kafka"), *locked("fhir"))
    assert len({one.file_name for one in locked("fhir")}) == len(locked("fhir"))
    assert all(len(bytes.fromhex(one.sha256)) == 32 and one.size > 0 for one in jars)


def test_the_cache_is_where_the_desktop_standard_says(tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "tocsin"
    assert cache_folder({}) == Path.home() / ".cache" / "tocsin"


def write_wheel(path: Path, padding: bytes = b"") -> Path:
    """A wheel that pip takes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("nothing_much-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: nothing-much\nVersion: 1.0\n")
        archive.writestr("nothing_much-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("nothing_much-1.0.dist-info/RECORD", "")
        archive.writestr("nothing_much.bin", padding)
    return path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel in a folder that pip looks into, and nowhere else."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = write_wheel(shelf / WHEEL)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return path


def test_a_wheel_is_fetched_by_its_hash_and_verified_each_time(wheel: Path, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    kept = fetch_wheel("nothing-much==1.0", sha256, tmp_path / "cache", Silent())
    assert kept.read_bytes() == wheel.read_bytes()
    kept.write_bytes(b"damaged")
    assert fetch_wheel("nothing-much==1.0", sha256, tmp_path / "cache", Silent()).read_bytes() == wheel.read_bytes()
    wheel.unlink()
    assert fetch_wheel("nothing-much==1.0", sha256, tmp_path / "cache", Silent()) == kept


@contextmanager
def slow_index(content: bytes, go_on: threading.Event) -> Iterator[str]:
    """The address of a package index that holds back the second half of its only wheel until `go_on` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".whl"):
                half = len(content) // 2
                self._send("application/octet-stream", len(content), content[:half])
                self.wfile.flush()
                if go_on.wait(30):
                    self.wfile.write(content[half:])
            else:
                page = f'<!DOCTYPE html><a href="/{WHEEL}">{WHEEL}</a>'.encode()
                self._send("text/html", len(page), page)

        def _send(self, kind: str, size: int, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            thread.join()


def test_a_wheel_under_way_is_shown_in_bytes_as_they_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_wheel(tmp_path / WHEEL, bytes(4_000_000)).read_bytes()
    progress = Counting()
    with slow_index(content, progress.moved) as address:  # had nothing moved before the second half, it would not have come
        monkeypatch.setenv("PIP_INDEX_URL", address)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        sha256 = hashlib.sha256(content).hexdigest()
        kept = fetch_wheel("nothing-much==1.0", sha256, tmp_path / "cache", progress, size=len(content))
    assert progress.shown == [("fetching nothing-much==1.0", len(content), "bytes")]
    assert progress.done == len(content)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [kept]


@pytest.mark.usefixtures("wheel")
def test_a_wheel_of_another_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactUnavailable, match=r"nothing-much==1\.0 could not be fetched by pip"):
        fetch_wheel("nothing-much==1.0", "0" * 64, tmp_path / "cache", Silent())
    assert not list((tmp_path / "cache").rglob("*.whl"))
