"""The FastStream peer: one asyncio process on aiokafka, aiohttp, tritonclient.grpc.aio and uvloop.

Run by `python -m tests.benchmarks.peers.faststream_service given|documented`: with Tocsin's decoder and gate, or with Pillow.

Written by FastStream's own documentation: a typed subscriber that commits after the handler and reads again on an error (NACK_ON_ERROR,
the way to lose nothing), concurrent between partitions (max_workers), clients made in the lifespan and taken from the Context, a
publisher for the flags. What blocks runs in a thread. aiohttp is there because it costs the least CPU of asyncio's HTTP clients; httpx
costs about five times as much for these requests. Two choices of this peer's favour: nothing is logged for an event that goes well, and
JSON is written by orjson.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import aiohttp
import orjson
import uvloop
from faststream import AckPolicy, Context, ContextRepo, FastStream
from faststream.kafka import KafkaBroker
from tocsin.clock import utc_now
from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import Json
from tocsin.image.malloc import keep_memory
from tocsin.image.types import Obstacle, Picture
from tocsin.report.types import Report
from tocsin.risk.types import Judgement
from tritonclient.grpc import InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient

from tests.benchmarks.peers.journey import Look, Site, composed, content_url, flag, inputs, judged, picture_of, site
from tests.benchmarks.peers.looks import with_pillow, with_tocsins_functions

WORKERS: Final = 12
"""Events at the same time: one for each partition, the most that is of use by the documentation. Fewer (2, 4, 8) cost no less CPU."""
FHIR_JSON: Final = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
GIVEN: Final = "given"
LOOKS: Final[dict[str, Look]] = {GIVEN: with_tocsins_functions, "documented": with_pillow}


class Hospital:
    """The clients, one connection pool each."""

    def __init__(self, here: Site, fhir: aiohttp.ClientSession, triton: InferenceServerClient) -> None:
        self._here = here
        self._fhir = fhir
        self._triton = triton
        self._outputs = [InferRequestedOutput(here.card.output.name)]

    async def picture(self, event: ImagingEvent) -> Picture:
        """The verified picture; Media and Patient are asked for at the same time."""
        fetched = utc_now()
        media, patient = await asyncio.gather(self._resource(event.media), self._resource(event.subject))
        content = await self._read(content_url(event, media, patient, self._here))
        return picture_of(event, media, patient, content, fetched)

    async def classified(self, tensor: Any, picture: Picture) -> Judgement:
        """Triton's verdict."""
        card, within_s = self._here.card, self._here.settings.triton.timeout_s
        answer = await self._triton.infer(
            card.name, inputs(tensor, picture.facts, card), card.version, self._outputs, client_timeout=within_s
        )
        return judged(answer.as_numpy(card.output.name), card)

    async def write(self, report: Report) -> None:
        """The report's transaction."""
        async with self._fhir.post("", data=orjson.dumps(report.bundle), headers=FHIR_JSON) as answer:
            answer.raise_for_status()
            await answer.read()

    async def _resource(self, reference: str) -> Json:
        resource: Json = orjson.loads(await self._read(reference))
        return resource

    async def _read(self, url: str) -> bytes:
        async with self._fhir.get(url) as answer:
            answer.raise_for_status()
            return await answer.read()


def service(here: Site, look: Look) -> FastStream:
    """The application."""
    kafka = here.settings.kafka
    broker = KafkaBroker(kafka.bootstrap_servers, acks="all", log_level=logging.DEBUG)
    flags = broker.publisher(kafka.topic_flags)

    @asynccontextmanager
    async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
        fhir, triton = here.settings.fhir, InferenceServerClient(here.settings.triton.grpc_url)
        timeout = aiohttp.ClientTimeout(total=fhir.request_timeout_s, connect=fhir.connect_timeout_s)
        async with aiohttp.ClientSession(fhir.base_url.rstrip("/") + "/", timeout=timeout) as session, triton:
            context.set_global("hospital", Hospital(here, session, triton))
            yield

    @broker.subscriber(
        kafka.topic_imaging,
        group_id=kafka.group_id,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        max_workers=WORKERS,
    )
    async def on_imaging_event(event: ImagingEvent, hospital: Annotated[Hospital, Context()]) -> None:
        picture = await hospital.picture(event)
        seen = await asyncio.to_thread(look, picture, here)
        verdict = seen if isinstance(seen, Obstacle) else await hospital.classified(seen, picture)
        report = composed(event, picture, verdict, here)
        await hospital.write(report)
        await flags.publish(flag(event, report, here), key=event.subject.encode())

    return FastStream(broker, lifespan=lifespan)


def main(way: str) -> None:
    """Serve in one of the ways of LOOKS; whoever is given Tocsin's decoder keeps the memory of its pictures as `tocsin consume` does."""
    if way == GIVEN:
        keep_memory()  # before the first thread
    uvloop.run(service(site(), LOOKS[way]).run(log_level=logging.WARNING))


if __name__ == "__main__":
    main(sys.argv[1])
