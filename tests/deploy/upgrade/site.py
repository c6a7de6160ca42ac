"""The hospital around the product: the real parts, and what an operator deploys on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from tocsin.network import HOST
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox import fhir, kafka, redis, triton
from tocsin.sandbox.commands import environment
from tocsin.terminal import Progress

from tests.chaos.gateway import BASE_PATH, gateway
from tests.chaos.parts import IMPATIENT, make_topics, real_parts

NOT_HERE: Final = ("TOCSIN_OTLP__", "TOCSIN_TRACES__", "TOCSIN_KAFKA__SESSION_TIMEOUT_MS", "TOCSIN_CONSUME__COMMIT_INTERVAL_S")
"""Of the chaos run's settings: there is no collector, and what bounds an update is left as it is delivered."""
THRESHOLDS: Final[Mapping[str, float]] = {"raised": 0.011, "below-threshold": 0.45}
"""Band of a picture that the test model looked at (it answers 3/7) -> where the card's middle band begins for it to be in that band."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is."""

    kafka: str
    """host:port."""
    fhir: str
    """The FHIR server's base address, past the gateway."""
    cards: Mapping[str, Path]
    """Band that the test model's pictures get -> the card under which they get it."""
    variables: Mapping[str, str] = field(repr=False)
    """Settings that all deployments share."""

    def deployed(self, band: str, edition: int) -> dict[str, str]:
        """The settings of a deployment."""
        own = {"TOCSIN_MODEL__CARD": str(self.cards[band]), "TOCSIN_REPORT__EDITION": str(edition)}
        return {**self.variables, **own}


@contextmanager
def site(folder: Path, progress: Progress) -> Iterator[Site]:
    """The parts, ready, until the block ends. Raises PartDidNotStart."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(8, thread_name_prefix="parts"))
        with progress.step("starting Kafka, FHIR, Triton and Redis"):
            parts = real_parts(folder, progress, threads, stack)
        broker, record, model, queues = (parts[name].now for name in ("kafka", "fhir", "triton", "redis"))
        assert isinstance(broker, kafka.Kafka)
        assert isinstance(record, fhir.Fhir)
        assert isinstance(model, triton.Triton)
        assert isinstance(queues, redis.Redis)
        make_topics(folder, broker.bootstrap_servers)
        between = stack.enter_context(gateway(f"{HOST}:{record.port}"))
        cards = {band: _card(folder / f"{band}.yaml", at_least) for band, at_least in THRESHOLDS.items()}
        more = {name: value for name, value in IMPATIENT.items() if not name.startswith(NOT_HERE)}
        variables = environment(
            kafka=broker.bootstrap_servers,
            fhir=f"http://{HOST}:{between.port}{BASE_PATH}",
            triton=f"{HOST}:{model.ports[0]}",
            card=cards["raised"],
            more={**more, "TOCSIN_REDIS__URL": f"redis://{HOST}:{queues.port}/0"},
        )
        yield Site(broker.bootstrap_servers, record.base_url, cards, variables)


def _card(file: Path, at_least: float) -> Path:
    """The reference card for the test model, whose middle band begins there."""
    card: dict[str, Any] = yaml.safe_load(packaged(REFERENCE_CARD).read_text()) | {"name": "noop"}
    card["operating_point"]["bands"][1]["at_least"] = at_least
    file.write_text(yaml.safe_dump(card))
    return file
