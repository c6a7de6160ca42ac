"""Is the model there?"""

from __future__ import annotations

from tritonclient.utils import InferenceServerException

from tocsin.errors import Unavailable
from tocsin.inference.channel import NEIGHBOUR, status_of, triton_client
from tocsin.model_card import ModelCard
from tocsin.settings import TritonSettings


class TritonPing:
    """Adapter of the Ping port."""

    neighbour = NEIGHBOUR

    def __init__(self, settings: TritonSettings, card: ModelCard) -> None:
        """Connects when it is first asked. Raises ConfigurationError for a TLS file that cannot be used."""
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

    def close(self) -> None:
        """See Ping.close."""
        self._client.close()
