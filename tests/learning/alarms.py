"""How often alarms are false, and how soon they come when they are not."""

from __future__ import annotations

import numpy as np
from tocsin.learning.statistics.drift import Cusum, cusum_limit, cusum_run, psi, psi_limit
from tocsin.learning.statistics.sequential import Stream, merged
from tocsin.learning.types import Ints

LIMIT, ALPHA, CASES = 0.05, 0.05, 600
NEVER = 10**9


def delays(true: float, runs: int, seed: int, *, limit: float = LIMIT, cases: int = CASES) -> Ints:
    """Cancers until the alarm at a true miss rate, for each of so many runs; NEVER where none came."""
    chance = np.random.default_rng(seed)
    return np.array([_delay(Stream(limit, "v1"), list(chance.random(cases) < true)) for _ in range(runs)])


def merged_false(runs: int, seed: int, *, streams: int = 5, cases: int = 200) -> float:
    """Share of runs where the average of several streams, all at their limit, alarms falsely."""
    chance = np.random.default_rng(seed)
    return float(np.mean([_ever(chance, streams, cases) for _ in range(runs)]))


def run_lengths(limit: float, shift: float, runs: int, seed: int, batches_max: int = 20_000) -> Ints:
    """Batches until a CUSUM alarms, of batches whose mean is off by `shift` standard errors."""
    chance = np.random.default_rng(seed)
    return np.array([_run(Cusum(0.0, 1.0, limit), chance.normal(shift, size=batches_max)) for _ in range(runs)])


def psi_false(baseline: Ints, of: int, false_alarms: float, runs: int, seed: int) -> float:
    """Share of histograms from one source whose index exceeds its limit; the baseline is drawn anew each time, as long as `baseline`."""
    chance = np.random.default_rng(seed)
    truth, total = baseline / baseline.sum(), int(baseline.sum())
    limits: dict[bytes, float] = {}
    false = 0
    for _ in range(runs):
        first, now = chance.multinomial(total, truth), chance.multinomial(of, truth)
        limit = limits.setdefault(first.tobytes(), psi_limit(first, of, false_alarms))
        false += psi(first, now) > limit
    return false / runs


def _delay(stream: Stream, failures: list[bool]) -> int:
    for count, failed in enumerate(failures, 1):
        stream = stream.after(bool(failed))
        if stream.alarms(ALPHA):
            return count
    return NEVER


def _ever(chance: np.random.Generator, streams: int, cases: int) -> bool:
    held = {str(name): Stream(LIMIT, "v1") for name in range(streams)}
    for _ in range(cases):
        name = str(chance.integers(streams))
        held[name] = held[name].after(bool(chance.random() < LIMIT))
        if merged(held) >= -np.log(ALPHA):
            return True
    return False


def _run(cusum: Cusum, steps: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
    for count, step in enumerate(steps, 1):
        cusum = cusum.after(float(step), 1)
        if cusum.alarms:
            return count
    return len(steps)


def main() -> None:
    """Prints the figures beside their bars."""
    false = float((delays(LIMIT, 2_000, 1) < NEVER).mean())
    print(f"e-process, limit {LIMIT:g}, at the limit: false alarms within {CASES} cancers {false:.3f} (bar 0.05)")
    for true in (0.10, 0.15, 0.20, 0.30, 0.45):
        found = delays(true, 600, 2)
        bar = " (bar 25)" if true == 0.20 else ""
        late = np.quantile(found, 0.9)
        print(f"  true miss rate {true:.2f}: alarm after {np.median(found):.0f}{bar} cancers at the median, {late:.0f} at 90 %")
    print(f"average of five streams at their limit: false alarms within 200 cancers {merged_false(1_000, 3):.3f} (bar 0.05)")
    for run in (30, 100, 365):
        limit = cusum_limit(run)
        found, moved = run_lengths(limit, 0.0, 1_000, 4), run_lengths(limit, 1.0, 1_000, 5)
        print(f"CUSUM for a false alarm in {run}: limit {limit:.2f}, simulated {found.mean():.0f}; a shift of one standard error is found "
              f"after {moved.mean():.1f} (Siegmund: {cusum_run(limit, shift=1.0):.1f})")  # fmt: skip
    for baseline, of in ((np.full(10, 200), 300), (np.array([900, 80, 15, 5]), 60), (np.array([500, 300, 190, 10, 0]), 100)):
        print(f"PSI of {of} against {baseline.tolist()}, one false alarm in 100: {psi_false(baseline, of, 0.01, 2_000, 6):.4f}, "
              f"limit {psi_limit(baseline, of, 0.01):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
