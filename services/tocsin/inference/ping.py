"""Is the model there?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tritonclient.utils import InferenceServerException

from tocsin.errors import Unavailable
from tocsin.inference.channel import NEIGHBOUR, status_of, triton_client
from tocsin.model_card import ModelCard
from tocsin.settings import TritonSettings

PHASES: Final = {"queue": "queue", "input": "compute_input", "compute": "compute_infer", "output": "compute_output"}
"""Phase -> its name in InferStatistics (Triton's grpc_service.proto)."""
NS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Statistics:
    """What Triton has done for the card's model and version since it loaded it."""

    time_s: Mapping[str, float] = field(default_factory=dict)
    """Phase -> the time that all requests spent in it."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """success, failure -> how many."""


def statistics(answer: Any) -> Statistics:
    """The statistics in Triton's answer (ModelStatisticsResponse, grpc_service.proto) for one version of one model."""
    found = [each.inference_stats for each in answer.model_stats]
    return Statistics(
        {phase: NS * sum(getattr(each, name).ns for each in found) for phase, name in PHASES.items()},
        {result: sum(getattr(each, name).count for each in found) for result, name in (("success", "success"), ("failure", "fail"))},
    )


class TritonPing:
    """Adapter of the Ping port, which also asks for Triton's statistics."""

    neighbour = NEIGHBOUR

    def __init__(self, settings: TritonSettings, card: ModelCard) -> None:
        """Connects when it is first asked. Raises ConfigurationError for a TLS file that cannot be used."""
        self.statistics = Statistics()
        """As of the last ping; may be read on any thread. That Triton gives none is no failed ping."""
        self._client = triton_client(settings)
        self._timeout_s = settings.timeout_s
        self._card = card

    def ask(self) -> None:
        """See Ping.ask: whether Triton would answer for the card's model and version."""
        try:
            ready = self._client.is_model_ready(self._card.name, self._card.version, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            raise Unavailable(NEIGHBOUR, f"{self._card.model}: {status_of(error).name}") from None
        if not ready:
            raise Unavailable(NEIGHBOUR, f"{self._card.model} is not ready")
        with suppress(InferenceServerException):
            found = self._client.get_inference_statistics(self._card.name, self._card.version, client_timeout=self._timeout_s)
            self.statistics = statistics(found)

    def close(self) -> None:
        """See Ping.close."""
        self._client.close()
