"""Is `tocsin consume` as fast as the model it asks? `python -m tests.benchmarks.model [--json]`.

Real Apache Kafka, real Triton with the reference model on the CPU, and the FHIR stub. In turns: a load of our own on tritonclient.grpc.aio,
which does nothing but ask, about the same pictures and with as many requests in flight as `tocsin consume` has workers; and `tocsin
consume`, all events on the bus before it starts. Prints images a second of each, and ratios.

Once Triton has half of the cores to itself and everybody else the other half, as at a site whose model has a machine of its own: there
Tocsin should be as fast as the load. And once all share all cores: there every millisecond of Tocsin, Kafka and the stub is taken from
the model, which takes all it can get, and the ratio says no more than what share of the CPU is the model's.

Figures change with what else the machine does. If an event is lost or told twice, the exit code is 1 and there are no figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, Literal

from tocsin.errors import Stop
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.inference.types import Tensor
from tocsin.model_card import ModelCard, read_card
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.reference import reference_repository
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal
from tritonclient.grpc import InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient

from tests.benchmarks.account import EventsLost
from tests.benchmarks.contenders import TOCSIN, Contender, tocsin
from tests.benchmarks.peers.journey import inputs
from tests.benchmarks.photographs import photographs
from tests.benchmarks.picture import decoded
from tests.benchmarks.processes import Machine, group_cpu_s, pin, this_machine
from tests.benchmarks.scenario import await_flags
from tests.benchmarks.stage import Stage, set_up
from tests.support.command_line import parser, whole_number

Placement = Literal["apart", "shared"]
PLACEMENTS: Final[tuple[Placement, ...]] = ("apart", "shared")
"""apart: Triton on half of the cores, everybody else on the others; shared: everybody on all cores."""
LOAD: Final = "load"
WARM_UP: Final = 24
"""Images before the first that counts."""
IN_FLIGHT: Final = ConsumeSettings().workers_running
ANSWER_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    contender: str
    placement: Placement
    images: int
    images_a_second: float
    triton_ms: float
    """CPU of Triton, per image."""


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    try:
        runs = [each for placement in PLACEMENTS for each in _placed(placement, options.images, options.passes, terminal())]
    except (EventsLost, Stop) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps(_as_json(this_machine(), runs), indent=2) if options.json else _as_table(this_machine(), runs))
    return 0


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.model", __doc__)
    options.add_argument("--images", type=whole_number, default=200, help="images of one run that count (200); fewer give rougher figures")
    options.add_argument("--passes", type=whole_number, default=2, help="how often everything is done; the table gives medians (2)")
    options.add_argument("--json", action="store_true", help="print one JSON object with every run in it, not the table")
    return options


def _placed(placement: Placement, images: int, passes: int, progress: Progress) -> Iterator[Measured]:
    """Both contenders in turns."""
    with _reference_stage(placement, progress) as (stage, card_file):
        card = read_card(card_file)
        contender = tocsin(stage, more={"TOCSIN_MODEL__CARD": str(card_file)})
        tensors = [image_tensor(decoded(each.read_bytes()), card.image) for each in photographs(stage.photographs)]
        for number in range(passes):
            with progress.step(f"pass {number + 1}, {placement}: {LOAD}"):
                yield _load(stage, placement, card, tensors, images)
            with progress.step(f"pass {number + 1}, {placement}: {TOCSIN}"):
                yield _consumed(stage, placement, contender, f"{placement}-{number}", images)


@contextmanager
def _reference_stage(placement: Placement, progress: Progress) -> Iterator[tuple[Stage, Path]]:
    """The parts, with the reference model in Triton, each on the cores that the placement gives it; and the model's card."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    models, others = (cores, cores) if placement == "shared" or half == 0 else (cores[:half], cores[half:])
    with TemporaryDirectory(prefix="tocsin-model-", ignore_cleanup_errors=True) as folder:
        repository = reference_repository(Path(folder), cache_folder(os.environ), progress, threading.Event())
        os.sched_setaffinity(0, models)  # whoever is started inherits it; the model makes a thread for each core it sees
        try:
            with set_up(progress, models=repository) as stage:
                for group in {*stage.neighbours.values()} - {stage.triton.child.pid}:
                    pin(group, others)
                yield stage, repository / "sklesion" / "card.yaml"
        finally:
            pin(os.getpgrp(), cores)


def _load(stage: Stage, placement: Placement, card: ModelCard, tensors: Sequence[Tensor], images: int) -> Measured:
    began_s = group_cpu_s(stage.triton.child.pid)
    ended = asyncio.run(_asked(stage.triton.grpc_url, card, tensors, WARM_UP + images + IN_FLIGHT))
    return measured(LOAD, placement, ended, group_cpu_s(stage.triton.child.pid) - began_s)


async def _asked(url: str, card: ModelCard, tensors: Sequence[Tensor], count: int) -> list[float]:
    """When each answer came, s."""
    numbers, ended, outputs = iter(range(count)), list[float](), [InferRequestedOutput(card.output.name)]

    async def ask() -> None:
        for number in numbers:
            question = inputs(tensors[number % len(tensors)], PatientFacts(), card)
            await client.infer(card.name, question, card.version, outputs, client_timeout=ANSWER_WITHIN_S)
            ended.append(time.monotonic())

    async with InferenceServerClient(url) as client:
        await asyncio.gather(*(ask() for _ in range(IN_FLIGHT)))
    return ended


def _consumed(stage: Stage, placement: Placement, contender: Contender, name: str, images: int) -> Measured:
    bus, ids = contender.bus, [f"{name}-{number}" for number in range(WARM_UP + images + IN_FLIGHT)]
    stage.forget()
    before, began_s = bus.flags_count(), group_cpu_s(stage.triton.child.pid)
    bus.publish(ids)
    with contender.processes(stage.folder / name) as processes:
        await_flags(bus, processes, before + len(ids))
    used_s, wanted = group_cpu_s(stage.triton.child.pid) - began_s, set(ids)
    flags = [each for each in bus.flags() if each.media in wanted]
    judged = {each.media for each in flags if each.content["outcome"] == "assessed"}
    if len(flags) != len(ids) or judged != wanted:
        raise EventsLost(f"{len(flags)} flags for {len(ids)} events, {len(judged)} of which the model judged")
    return measured(TOCSIN, placement, [each.at_ms / 1000 for each in flags], used_s)


def measured(contender: str, placement: Placement, ended_s: Sequence[float], triton_s: float) -> Measured:
    """Read alike for all: after the warm-up, and before there are fewer left than may be in flight."""
    counted = sorted(ended_s)[WARM_UP - 1 : -IN_FLIGHT]
    images = len(counted) - 1
    return Measured(contender, placement, images, images / (counted[-1] - counted[0]), triton_s * 1000 / len(ended_s))


def ratio(runs: Sequence[Measured], placement: Placement) -> float:
    """Tocsin's images a second to the load's: the median of the passes' ratios."""
    ours, theirs = ([run.images_a_second for run in runs if (run.contender, run.placement) == (name, placement)] for name in (TOCSIN, LOAD))
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def _as_json(machine: Machine, runs: Sequence[Measured]) -> dict[str, object]:
    """For a program."""
    ratios = {placement: ratio(runs, placement) for placement in PLACEMENTS}
    return {"machine": machine.as_json(), "in_flight": IN_FLIGHT, "runs": [asdict(run) for run in runs], "ratios": ratios}


def _as_table(machine: Machine, runs: Sequence[Measured]) -> str:
    """For a person."""
    return "\n".join(
        [
            f"The reference model through Triton on the CPU, {IN_FLIGHT} requests in flight",
            "",
            f"{'cores':8} {'load/s':>8} {'Tocsin/s':>8} {'ratio':>6} {'Triton, CPU ms an image':>24}",
            *(_row(runs, placement) for placement in PLACEMENTS),
            "",
            str(machine),
        ]
    )


def _row(runs: Sequence[Measured], placement: Placement) -> str:
    placed = [run for run in runs if run.placement == placement]
    load, ours = (median(run.images_a_second for run in placed if run.contender == name) for name in (LOAD, TOCSIN))
    triton_ms = median(run.triton_ms for run in placed)
    return f"{placement:8} {load:8.1f} {ours:8.1f} {ratio(runs, placement):6.2f} {triton_ms:24.0f}"


if __name__ == "__main__":
    sys.exit(main())
