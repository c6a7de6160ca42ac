"""Whether and when a deferred event is tried again: a value, decided without clock or Kafka."""

from __future__ import annotations

from dataclasses import dataclass

from tocsin.settings import ConsumeSettings


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full-jitter exponential back-off (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015)."""

    attempts_max: int
    give_up_after_s: float
    initial_s: float
    max_s: float

    @classmethod
    def of(cls, settings: ConsumeSettings) -> RetryPolicy:
        """The policy the settings ask for."""
        return cls(settings.attempts_max, settings.give_up_after_s, settings.retry_initial_s, settings.retry_max_s)

    def exhausted(self, counted: int, since_s: float) -> bool:
        """Whether `counted` failures while the neighbour served others, the first of all `since_s` seconds ago, are enough."""
        return counted >= self.attempts_max and since_s >= self.give_up_after_s

    def delay_s(self, attempt: int, retry_after_s: float | None, jitter: float) -> float:
        """Seconds until the try after the `attempt`-th (1, 2, ...), for `jitter` in [0, 1).

        What the neighbour asked for is the least, up to the ceiling; without a wish it is anything from 0 to the doubled pause.
        """
        if retry_after_s is not None:
            return min(self.max_s, retry_after_s + jitter * self.initial_s)
        return self._ceiling_s(attempt) * jitter

    def apart_s(self, attempt: int, jitter: float) -> float:
        """Seconds until two that were in each other's way try again: at least half of the doubled pause, so that neither spins."""
        return self._ceiling_s(attempt) * (1 + jitter) / 2

    def _ceiling_s(self, attempt: int) -> float:
        return min(self.max_s, self.initial_s * 2.0 ** min(attempt - 1, 30))
