"""One run: old version, update, roll-back, roll-back with a higher number, and the account of every event."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.settings import ConsumeSettings, KafkaSettings
from tocsin.terminal import Progress

from tests.chaos.auditor import Findings, judge, waiting
from tests.chaos.evidence import Bus, read_bus, read_record
from tests.chaos.load import Load
from tests.chaos.manifest import Manifest
from tests.chaos.mix import Act
from tests.chaos.parts import TOPICS
from tests.chaos.watch import Watch, watched
from tests.deploy.upgrade import backfill
from tests.deploy.upgrade.backfill import Backfill
from tests.deploy.upgrade.fleet import CONSUMERS, Deployment, Fleet, Rolled
from tests.deploy.upgrade.idle import Gap, gaps, longest
from tests.deploy.upgrade.probes import Probes, Standing
from tests.deploy.upgrade.site import Site, site
from tests.deploy.upgrade.versions import Version

REBALANCE_S: Final = 3.0
"""What deploy/operations.md gives the group to share out the partitions of a member that is gone."""
LOAD_ENDS_WITHIN_S: Final = 120.0
BACKFILL_WITHIN_S: Final = 600.0
BACKFILL_PER_SECOND: Final = 0.4
NEVER: Final[tuple[Act, ...]] = ("poison",)
"""Acts of the load that do not happen: pictures that kill whoever decodes them would, by design, end processes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is to be."""

    old: Version
    new: Version
    rate: float
    """Events a second."""
    seed: int
    between_s: float
    """Load without a change before and after each roll-out."""
    settle_s: float
    """Longest wait, after the load, for every event to end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run was."""

    findings: Findings
    rolled: Sequence[Rolled]
    gaps: Sequence[Gap]
    steady: tuple[float, float]
    """time.monotonic() from and until when nothing was rolled out yet."""
    bound_s: float
    """Longest that a partition with work may stand still."""
    settled_s: float | None
    """From the end of the load until every event had ended and was committed; None where that did not come within its time."""
    wrong: Sequence[str]
    """A line for each process, probe or picture of the backfill that did not do as deploy/operations.md says."""

    @property
    def slowest_s(self) -> float:
        """The longest gap before anything was rolled out: what this machine takes for an ending, which comes on top of the bound."""
        return max(longest(self.gaps, *self.steady).values(), default=0.0)

    @property
    def idlest_s(self) -> float:
        """The longest gap while something was rolled out."""
        return max((gap.seconds for gap in self._rolling), default=0.0)

    @property
    def overlong(self) -> Sequence[Gap]:
        """The gaps beyond what is allowed while something was rolled out."""
        return [gap for gap in self._rolling if gap.seconds > self.bound_s + self.slowest_s]

    @property
    def _rolling(self) -> Sequence[Gap]:
        return [gap for gap in self.gaps if any(gap.ended > each.began and gap.began < each.ended for each in self.rolled)]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, idle for too long or otherwise wrong."""
        return self.findings.clean and not self.overlong and not self.wrong


def bound_s() -> float:
    """TOCSIN_CONSUME__DRAIN_TIMEOUT_S, TOCSIN_KAFKA__SESSION_TIMEOUT_MS and the rebalance: by then others have what a process left.

    A successor of the same name that is there sooner goes on sooner.
    """
    return ConsumeSettings().drain_timeout_s + session_s() + REBALANCE_S


def session_s() -> float:
    """TOCSIN_KAFKA__SESSION_TIMEOUT_MS in seconds: a restart within it moves no partition."""
    return KafkaSettings().session_timeout_ms / 1000


def run(asked: Asked, folder: Path, progress: Progress) -> Outcome:
    """Raises PartDidNotStart, HospitalStuck, EvidenceMissing or ProcessWrong where the run could not be done."""
    with site(folder, progress) as standing, _fleet(folder) as fleet:
        first, *following = _deployments(asked, standing)
        with progress.step(f"starting {first.name}"):
            fleet.begin(first)
        old_pictures = Backfill(asked.new, standing.deployed("raised", 1), folder)
        with _loaded(asked, standing) as (load, watch):
            probes, began = Probes(standing, watch), time.monotonic()
            old_pictures.begin(standing.fhir, BACKFILL_PER_SECOND)
            rounds = [probes.announced()]
            load.wait(asked.between_s)
            steady = (began, time.monotonic())
            rolled = []
            for deployment in following:
                with progress.step(f"rolling out {deployment.name}"):
                    rolled.append(fleet.roll(deployment))
                rounds.append(probes.announced())
                load.wait(asked.between_s)
            with progress.step("waiting until everything has ended"):
                load.stop(LOAD_ENDS_WITHIN_S)
                stands = old_pictures.done(BACKFILL_WITHIN_S)
                settled_s = _settle(load.manifest(), standing.kafka, asked.settle_s)
            fleet.end()
            bus, record = read_bus(standing.kafka, TOPICS), read_record(standing.fhir)
            wrong = [*_untidy(rolled), *editions(rounds), *backfill.wrong(stands, bus, record)]
            published = load.published()
            found = gaps(published, watch.ended(published))
            return Outcome(judge(load.manifest(), bus, record), rolled, found, steady, bound_s(), settled_s, wrong)


def _deployments(asked: Asked, standing: Site) -> Iterator[Deployment]:
    """As an operator numbers them: the update's threshold is another, and a roll-back is done without and with a higher number."""
    for name, version, band, edition in (
        ("the old version", asked.old, "raised", 1),
        ("the update", asked.new, "below-threshold", 2),
        ("the roll-back", asked.old, "raised", 1),
        ("the roll-back with a higher number", asked.old, "raised", 3),
    ):
        yield Deployment(name, version, edition, standing.deployed(band, edition))


def editions(rounds: Sequence[Sequence[Standing]]) -> Iterator[str]:
    """A line for each probe that does not stand as deploy/operations.md#updates-and-rollbacks says after each of the four roll-outs."""
    for number, (first, updated, back, higher) in enumerate(zip(*rounds, strict=True)):
        expected = {
            "the old version": (first, replace(first, edition=1, band="raised", flagged_as="raised")),
            "the update": (updated, replace(updated, report=first.report, edition=2, band="below-threshold", flagged_as="below-threshold")),
            "the roll-back": (back, replace(updated, flags=max(back.flags, updated.flags + 1))),
            "the roll-back with a higher number": (
                higher,
                replace(higher, report=first.report, edition=3, band="raised", flagged_as="raised"),
            ),
        }
        yield from (f"probe {number} after {name}: {found}, not {wanted}" for name, (found, wanted) in expected.items() if found != wanted)


def _untidy(rolled: Sequence[Rolled]) -> Iterator[str]:
    for each in rolled:
        for process in each.replaced:
            if process.exit_code != 0:
                yield f"{process.process} of the deployment before {each.deployment.name} ended with exit code {process.exit_code}"
        quick = all(process.away_s < session_s() for process in each.replaced if process.process in CONSUMERS)
        if each.rebalances and quick:
            yield f"{each.deployment.name}: {each.rebalances} assignments moved although every restart was quicker than {session_s():.0f} s"


@contextmanager
def _fleet(folder: Path) -> Iterator[Fleet]:
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(logs)
    try:
        yield fleet
    finally:
        fleet.end()


def _loaded(asked: Asked, standing: Site) -> AbstractContextManager[tuple[Load, Watch]]:
    load = Load(
        seed=asked.seed,
        rate=asked.rate,
        bootstrap_servers=standing.kafka,
        imaging=TOPICS.imaging,
        fhir=standing.fhir,
        without=NEVER,
    )
    return watched(load, Watch(standing.kafka, TOPICS))


def _settle(manifest: Manifest, kafka: str, within_s: float) -> float | None:
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if _ended(manifest, read_bus(kafka, TOPICS)):
            return time.monotonic() - began
        time.sleep(1)
    return None


def _ended(manifest: Manifest, bus: Bus) -> bool:
    return not waiting(manifest, bus) and not any(bus.uncommitted.values())
