"""What is tried on the image, and the table that tells it."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from PIL import Image as Pillow
from tocsin.bootstrap.sizing import MIB, sizes
from tocsin.environment import read
from tocsin.errors import ConfigurationError, OutageTooLong
from tocsin.fhir.client import FhirClient
from tocsin.network import free_ports
from tocsin.sandbox.commands import environment
from tocsin.sandbox.stack import Stack
from tocsin.settings import FhirSettings, Settings
from tocsin.terminal import Progress

from tests.deploy.image.build import Built
from tests.deploy.image.container import Container, Image
from tests.support.house import House, house
from tests.support.pictures import encoded, textured
from tests.support.waiting import comes_to_hold
from tests.support.web import Reply, Web, web

SIZE_MB_MAX: Final = 250
MEMORY_MIB: Final = 512
WIDTH, HEIGHT = 5000, 4000
SMALL: Final = {
    "TOCSIN_IMAGE__PIXELS_MAX": str(WIDTH * HEIGHT),
    "TOCSIN_IMAGE__CONTENT_BYTES_MAX": str(8 * MIB),
    "TOCSIN_FHIR__ANSWER_BYTES_MAX": str(12 * MIB),
}
"""What a process of 512 MiB is told: pictures of 20 megapixels in 8 MiB."""
PICTURES: Final = 8
INLINE: Final = 1
"""How many of them stand in their Media; the embedded FHIR server takes half a minute for each where the machine is busy."""
WITHIN_S: Final = 600.0
PATIENCE_S: Final = 120.0
"""How long the FHIR server may take for 11 MB of JSON on a busy machine."""
NOT_IN_IT: Final = ("gcc", "cc", "as", "ld", "pip", "pip3", "curl", "wget", "git")
SEGMENT_BYTES: Final = 65_000


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was tried."""

    what: str
    passed: bool
    found: str


@dataclass(slots=True)
class Table:
    """All that was tried."""

    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, passed: bool, found: object = "") -> None:
        """Another row, told at once."""
        self.rows.append(Row(what, passed, str(found)))
        print(_line(self.rows[-1]), flush=True)

    @property
    def failed(self) -> int:
        """How many rows did not pass."""
        return sum(not row.passed for row in self.rows)

    def __str__(self) -> str:
        return "\n".join(["", *map(_line, self.rows)])


def _line(row: Row) -> str:
    return f"{'pass' if row.passed else 'FAIL'}  {row.what:<62}  {row.found}"


def built(table: Table, images: Sequence[Built], root: Path) -> None:
    """What can be seen of the image without running it."""
    one = images[0]
    if len(images) > 1:
        same = len({each.layers for each in images}) == 1
        table.add("two builds give the same layers", same, " ".join(each.digest[7:19] for each in one.layers))
    total = sum(layer.bytes for layer in one.layers) / 1e6
    each = " + ".join(f"{layer.bytes / 1e6:.0f}" for layer in one.layers)
    table.add(f"its layers have {SIZE_MB_MAX} MB at most, compressed", total <= SIZE_MB_MAX, f"{each} = {total:.0f} MB")
    table.add("its user is a number, and not root", one.config["User"] == "10001:10001", one.config["User"])
    found = [name for name in NOT_IN_IT for _ in root.glob(f"**/bin/{name}")]
    table.add("it has no compiler, pip or downloader", not found, ", ".join(found))
    writable = [path for path in (root / "opt/tocsin").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    table.add("no file of it is for all to write", not writable, len(writable))


def ran(table: Table, image: Image, stack: Stack, progress: Progress) -> None:
    """What it does when it runs."""
    site = _site(stack)
    with progress.step("running the image"):
        code, said = image.ended("--version", variables=site)
        table.add("tocsin --version", code == 0, said.strip())
        code, said = image.ended("topics", "--create", variables=site)
        table.add("tocsin topics --create", code == 0, said.strip().splitlines()[-1:])
        code, said = image.ended("check", variables=site)
        table.add("tocsin check, with the reference model", code == 0, said.strip().splitlines()[-1:])
        _without_a_shell(table, image, site)
        _wrong(table, image, site)
        _largest(table, image, stack)
        _scheduled(table, image, site)


def _site(stack: Stack) -> dict[str, str]:
    more = {"TOCSIN_REDIS__URL": stack.redis.url, "TOCSIN_KAFKA__REPLICATION_FACTOR": "1"}
    found = environment(kafka=stack.kafka.bootstrap_servers, fhir=stack.fhir.base_url, triton=stack.triton.grpc_url, card=Path(), more=more)
    return _in_the_image(found)


def _in_the_image(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, with the card that the image brings and a port for health that is known."""
    kept = {name: value for name, value in variables.items() if name != "TOCSIN_MODEL__CARD"}
    return kept | {"TOCSIN_METRICS__PORT": str(free_ports(1)[0])}


def _wrong(table: Table, image: Image, site: Mapping[str, str]) -> None:
    code, said = image.ended("consume", variables={**site, "TOCSIN_KAFKA__GROUPID": "x"})
    table.add("an unknown setting ends it with 78", code == ConfigurationError.exit_code, _last(said))
    code, said = image.ended("consume", variables=site)
    right = code == ConfigurationError.exit_code and "TOCSIN_IMAGE__PIXELS_MAX to" in said
    table.add("too little memory for 50 megapixels ends it with 78 and advice", right, _last(said))
    nobody = {**site, **SMALL, "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "TOCSIN_KAFKA__CONNECT_TIMEOUT_S": "3"}
    code, said = image.ended("consume", variables=nobody)
    table.add("a bus that is away ends it with 75", code == OutageTooLong.exit_code, _last(said))


def _last(said: str) -> str:
    return (said.strip().splitlines() or [""])[-1][:300]


def _largest(table: Table, image: Image, stack: Stack) -> None:
    """The largest pictures that are allowed, all at once, under the limit of memory; then SIGTERM in the midst of more."""
    with web() as store, _hospital(stack) as hospital:
        patience = {"TOCSIN_FHIR__REQUEST_TIMEOUT_S": str(PATIENCE_S), "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED": json.dumps([store.origin])}
        variables = _in_the_image(hospital.variables) | SMALL | patience
        pictures = [*islice(cycle(_pictures()), PICTURES)]
        _announce(hospital, store, "large", pictures, INLINE)
        with image.running("consume", memory_mib=MEMORY_MIB, variables=variables) as container:
            done = comes_to_hold(lambda: _ended(hospital) >= PICTURES, within_s=WITHIN_S)
            found = f"{_endings(hospital)}, peak {container.peak_bytes / MIB:.0f} of {MEMORY_MIB} MiB"
            right = done and not container.killed_for_memory and not hospital.bus.letters()
            table.add(f"consume: {PICTURES} of {WIDTH} x {HEIGHT} pixels at once, none killed for memory", right, found)
            _as_derived(table, container)
            _healthy(table, container, "consume")
            _announce(hospital, store, "more", pictures[:4], 0)
            code = container.stop()
            table.add("consume: SIGTERM to process 1 drains, exit code 0", code == 0 and '"drained"' in container.log, code)


@contextmanager
def _hospital(stack: Stack) -> Iterator[House]:
    made = house(
        kafka=stack.kafka.bootstrap_servers,
        fhir=stack.fhir.base_url,
        triton=stack.triton.grpc_url,
        card=Path(),
        folder=stack.folder / "house",
    )
    made.record.fhir = FhirClient(FhirSettings(base_url=stack.fhir.base_url, request_timeout_s=PATIENCE_S))
    try:
        yield made
    finally:
        made.bus.close()


def _ended(hospital: House) -> int:
    return len(hospital.bus.flags()) + len(hospital.bus.letters())


def _endings(hospital: House) -> str:
    return f"{len(hospital.bus.flags())} flags, {len(hospital.bus.letters())} dead letters"


def _as_derived(table: Table, container: Container) -> None:
    expected, told = sizes(read(Settings, SMALL).settings, MEMORY_MIB * MIB), _told(container, "memory")
    right = told.get("workers") == expected.workers and str(expected.pictures_bytes) in str(told.get("detail"))
    said = f"{told.get('detail')}, {told.get('workers')} workers"
    table.add("its memory for pictures and workers are those of the formula", right, said)
    table.add("its loops over pixels are compiled", _told(container, "loops over pixels").get("detail") == "compiled")


def _told(container: Container, event: str) -> dict[str, object]:
    """The first line of the log with this event."""
    lines = (json.loads(line) for line in container.log.splitlines() if line.startswith("{"))
    return next((line for line in lines if line.get("event") == event), {})


def _healthy(table: Table, container: Container, name: str) -> None:
    ready = comes_to_hold(lambda: container.execute("/opt/tocsin/bin/tocsin", "health", "ready") == 0, within_s=60)
    live = container.execute("/opt/tocsin/bin/tocsin", "health", "live")
    table.add(f"{name}: tocsin health live, ready", ready and live == 0)


def _pictures() -> Iterator[bytes]:
    """The kinds that take most memory: four colours and progressive, turned and progressive, PNG; each fills its attachment or nearly."""
    plain = textured(WIDTH // 4, HEIGHT // 4).resize((WIDTH, HEIGHT), Pillow.Resampling.BILINEAR)
    yield _padded(encoded(plain.convert("CMYK"), progressive=True, quality=60))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    yield _padded(encoded(plain, progressive=True, quality=60, exif=exif))
    yield encoded(textured(WIDTH // 50, HEIGHT // 50).resize((WIDTH, HEIGHT), Pillow.Resampling.NEAREST), "PNG")


def _padded(jpeg: bytes) -> bytes:
    """The JPEG with comments before its picture, as large as an attachment may be."""
    room, buffer = 8 * MIB - len(jpeg), io.BytesIO(jpeg[:2])
    buffer.seek(2)
    while room > SEGMENT_BYTES:
        buffer.write(b"\xff\xfe" + (SEGMENT_BYTES - 2).to_bytes(2, "big") + b" " * (SEGMENT_BYTES - 4))
        room -= SEGMENT_BYTES
    return buffer.getvalue() + jpeg[2:]


def _announce(hospital: House, store: Web, name: str, pictures: Sequence[bytes], inline: int) -> None:
    """An event for each picture: so many stand in their Media, in base64; the others are fetched from a store."""
    for number, picture in enumerate(pictures):
        patient, place = hospital.record.patient(f"{name}-{number}"), f"/{name}-{number}"
        kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
        store.replies[place] = Reply(200, picture, {"Content-Type": kind})
        where = {"data": base64.b64encode(picture).decode()} if number < inline else {"url": store.origin + place}
        media = hospital.record.media(f"{name}-{number}", patient, None, content={"contentType": kind, **where})
        hospital.bus.announce(media, patient)


def _scheduled(table: Table, image: Image, site: Mapping[str, str]) -> None:
    other = _in_the_image(site)
    with _both(image, site, other) as (worker, beat):
        done = comes_to_hold(lambda: '"task": "redrive", "duration_ms"' in worker.log, within_s=WITHIN_S)
        table.add("beat sends a task and work does it", done, f"peaks {worker.peak_bytes // MIB}, {beat.peak_bytes // MIB} MiB")
        _healthy(table, worker, "work")
        _healthy(table, beat, "beat")
        codes = worker.stop(), beat.stop()
        table.add("work, beat: SIGTERM to process 1 ends each with 0", codes == (0, 0), codes)


@contextmanager
def _both(image: Image, site: Mapping[str, str], other: Mapping[str, str]) -> Iterator[tuple[Container, Container]]:
    often = {"TOCSIN_WORK__REDRIVE_EVERY_S": "2"}
    with (
        image.running("work", memory_mib=MEMORY_MIB, variables={**site, **often}) as worker,
        image.running("beat", memory_mib=MEMORY_MIB, variables={**other, **often}) as beat,
    ):
        yield worker, beat


def _without_a_shell(table: Table, image: Image, site: Mapping[str, str]) -> None:
    """On a copy, whose files are links, that loses every program but Python."""
    bare = image.root.with_name("bare")
    shutil.copytree(image.root, bare, symlinks=True, copy_function=os.link)
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/libexec"):
        for program in (bare / folder).glob("*"):
            if not program.name.startswith("python") and (program.is_symlink() or program.is_file()):
                program.unlink(missing_ok=True)
    code, said = replace(image, root=bare).ended("check", variables=site)
    left = sorted(program.name for program in (bare / "usr/bin").iterdir())
    table.add("tocsin check, where the base has no shell and no program but Python", code == 0, f"{_last(said)} left: {' '.join(left)}")
