"""The real parts of a run, each of which can die and come back, and the product's processes among them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from tocsin.network import free_ports
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox import fhir, kafka, redis, triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.commands import Command, environment, launch
from tocsin.sandbox.ehr import LittleEhr, little_ehr
from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.process import Child, Launch, run
from tocsin.sandbox.stack import jars_of
from tocsin.terminal import Progress

from tests.chaos.collector import Collector, collector
from tests.chaos.evidence import Topics
from tests.chaos.exports import Pages
from tests.chaos.gateway import Gateway, gateway
from tests.chaos.supervisor import Supervised
from tests.chaos.wire import HOST, Wire, wires
from tests.support.stack import NOOP_MODEL

CONSUMERS: Final = ("consume-1", "consume-2")
PROCESSES: Final = (*CONSUMERS, "work", "beat", "serve")
TOPICS: Final = Topics(
    imaging="imaging.events.v1",
    flags="tocsin.flags.v1",
    dead_letters="imaging.events.v1.dead-letters",
    group="tocsin",
    more=("tocsin.backfill.v1",),
    verdicts="tocsin.verdicts.v1",
)
"""The names that the product has when nobody gives it others: the broker is the run's own."""
TRAP: Final = Path(__file__).parents[1] / "support" / "trap"
TOPICS_WITHIN_S: Final = 60.0

IMPATIENT: Final[Mapping[str, str]] = {
    "TOCSIN_KAFKA__SESSION_TIMEOUT_MS": "6000",
    "TOCSIN_KAFKA__SEND_TIMEOUT_S": "5",
    "TOCSIN_CONSUME__COMMIT_INTERVAL_S": "0.5",
    "TOCSIN_CONSUME__RETRY_INITIAL_S": "0.2",
    "TOCSIN_CONSUME__RETRY_MAX_S": "2",
    "TOCSIN_CONSUME__ATTEMPTS_MAX": "4",
    "TOCSIN_CONSUME__GIVE_UP_AFTER_S": "4",
    "TOCSIN_FHIR__REQUEST_TIMEOUT_S": "8",
    "TOCSIN_TRITON__TIMEOUT_S": "5",
    "TOCSIN_METRICS__HOST": HOST,
    "TOCSIN_OTLP__SIGNALS": '["traces", "metrics", "logs"]',
    "TOCSIN_OTLP__TIMEOUT_S": "3",
    "TOCSIN_OTLP__EVERY_S": "0.5",
    "TOCSIN_OTLP__METRICS_EVERY_S": "1",
    "TOCSIN_OTLP__QUEUE_MAX": "64",
    "TOCSIN_TRACES__RATIO": "1",
    "TOCSIN_WORK__PROCESSES": "1",
    "TOCSIN_WORK__REDRIVE_EVERY_S": "3",
    "TOCSIN_WORK__REDRIVE_INITIAL_S": "2",
    "TOCSIN_WORK__REDRIVE_MAX_S": "6",
    "TOCSIN_WORK__RECONCILE_EVERY_S": "20",
    "TOCSIN_RECONCILE__GRACE_S": "60",
    "TOCSIN_RECONCILE__WINDOW_S": "240",
    "TOCSIN_WORK__TASK_TIMEOUT_S": "15",
    "TOCSIN_WORK__TASK_KILL_AFTER_S": "20",
    "TOCSIN_WORK__VISIBILITY_TIMEOUT_S": "25",
    "TOCSIN_WORK__RESTORE_EVERY_S": "2",
    "TOCSIN_BACKFILL__PAUSE_MAX_S": "2",
    "TOCSIN_RECONCILE__RUN_S": "8",
    "TOCSIN_VERDICTS__RETRY_RUN_S": "8",
    "TOCSIN_VERDICTS__RETRY_EVERY_S": "3",
    "TOCSIN_VERDICTS__TRY_WITHIN_S": "6",
    "TOCSIN_VERDICTS__GRACE_S": "10",
    "TOCSIN_VERDICTS__REFUSED_RETRY_S": "5",
    "TOCSIN_SERVE__LINGER_S": "0",
}
"""What takes minutes in a hospital takes seconds here, and every journey is traced."""


class Running(Protocol):
    """A part of the sandbox."""

    @property
    def child(self) -> Child:
        """Its process."""

    def stop(self) -> None:
        """Ends it in good order."""

    def kill(self) -> None:
        """Ends it as a power cut would."""


class Part:
    """One part, which comes back on the same ports; started by threads that live as long as the run, as a child dies with its thread."""

    def __init__(self, threads: ThreadPoolExecutor, start: Callable[[Running | None], Running]) -> None:
        """`start` is given the part as it was before, None at first."""
        self._threads = threads
        self._start = start
        self.now = threads.submit(start, None).result()
        """As it runs, or ran last."""

    def kill(self) -> None:
        """As a power cut would."""
        self.now.kill()

    def begin(self) -> None:
        """Returns when it is ready again. Raises PartDidNotStart."""
        self.now = self._threads.submit(self._start, self.now).result()

    def freeze(self) -> None:
        """It does nothing, and its connections stand."""
        os.killpg(self.now.child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        os.killpg(self.now.child.pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a fault can strike."""

    parts: Mapping[str, Part]
    """kafka, fhir, triton, redis."""
    wires: Mapping[str, Wire]
    """From the product to fhir, triton and redis. Kafka tells its clients its own address, so that there is none to it."""
    gateway: Gateway
    collector: Collector
    """To which the product sends spans, metrics and log lines."""
    pages: Pages
    """The product's metrics."""
    processes: Mapping[str, Supervised]
    """consume-1, consume-2, work, beat, serve."""
    ehr: LittleEhr
    """From which clinicians come to `serve`; its record is reached over the product's own wire."""
    kafka: str
    """host:port."""
    fhir: str
    """The FHIR server's base address, past gateway and wire."""
    folder: Path

    def silence(self) -> None:
        """The product's processes end in good order, for good."""
        _all([process.stop for process in self.processes.values()])

    def burn_redis(self) -> None:
        """Removes what Redis kept; it has to be dead."""
        shutil.rmtree(self.folder / "redis")


@contextmanager
def stage(folder: Path, progress: Progress) -> Iterator[Stage]:
    """Every part, ready, and the product running, until the block ends; logs and data are below `folder`. Raises PartDidNotStart."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(16, thread_name_prefix="parts"))
        with progress.step("starting Kafka, FHIR, Triton and Redis"):
            parts = real_parts(folder, progress, threads, stack)
        broker, record = parts["kafka"].now, parts["fhir"].now
        assert isinstance(broker, kafka.Kafka)
        assert isinstance(record, fhir.Fhir)
        make_topics(folder, broker.bootstrap_servers)
        lines, between = _lines(parts, stack)
        taker = stack.enter_context(collector())
        *metrics, pages = free_ports(len(PROCESSES) + 1)
        ports = dict(zip(PROCESSES, metrics, strict=True))
        variables = _variables(folder, broker.bootstrap_servers, lines, taker)
        ehr = stack.enter_context(little_ehr(variables["TOCSIN_FHIR__BASE_URL"], f"http://{HOST}:{pages}"))
        variables |= {"TOCSIN_SERVE__PORT": str(pages), **ehr.settings(variables["TOCSIN_FHIR__BASE_URL"])}
        processes = {name: Supervised(name, each) for name, each in _launches(folder, variables, ports).items()}
        set_up = Stage(parts, lines, between, taker, Pages(ports), processes, ehr, broker.bootstrap_servers, record.base_url, folder)
        for process in processes.values():
            process.start()
        stack.callback(set_up.silence)
        yield set_up


def real_parts(folder: Path, progress: Progress, threads: ThreadPoolExecutor, stack: ExitStack) -> dict[str, Part]:
    """kafka, fhir, triton and redis, ready, until `stack` unwinds. Raises PartDidNotStart."""
    never = threading.Event()
    cache = cache_folder(os.environ)
    starts: dict[str, Callable[[Any], Running]] = {
        "kafka": lambda was: kafka.start(jars_of("kafka", cache, progress, never), folder / "kafka", ports=was and was.ports),
        "fhir": lambda was: fhir.start(
            jars_of("fhir", cache, progress, never), folder / "fhir", port=was and was.port, database=folder / "records"
        ),
        "triton": lambda was: triton.start(NOOP_MODEL, folder / "triton", ports=was and was.ports),
        "redis": lambda was: redis.start(folder / "redis", port=was and was.port),
    }
    with ThreadPoolExecutor(len(starts)) as waiters:
        begun = {name: waiters.submit(Part, threads, start) for name, start in starts.items()}
    parts = {name: future.result() for name, future in begun.items() if future.exception() is None}
    stack.callback(lambda: _all([part.now.stop for part in parts.values()]))
    return {name: future.result() for name, future in begun.items()}


def _lines(parts: Mapping[str, Part], stack: ExitStack) -> tuple[dict[str, Wire], Gateway]:
    record, model, queues = parts["fhir"].now, parts["triton"].now, parts["redis"].now
    assert isinstance(record, fhir.Fhir)
    assert isinstance(model, triton.Triton)
    assert isinstance(queues, redis.Redis)
    between = stack.enter_context(gateway(f"{HOST}:{record.port}"))
    all_wires = stack.enter_context(wires())
    lines = {"fhir": all_wires.to(between.port), "triton": all_wires.to(model.ports[0]), "redis": all_wires.to(queues.port)}
    between.known_as = f"http://{HOST}:{lines['fhir'].port}"
    return lines, between


def _variables(folder: Path, bootstrap_servers: str, lines: Mapping[str, Wire], taker: Collector) -> dict[str, str]:
    card = folder / "card.yaml"
    card.write_text(yaml.safe_dump(yaml.safe_load(packaged(REFERENCE_CARD).read_text()) | {"name": "noop"}))
    return environment(
        kafka=bootstrap_servers,
        fhir=f"http://{HOST}:{lines['fhir'].port}/fhir",
        triton=f"{HOST}:{lines['triton'].port}",
        card=card,
        more={
            **IMPATIENT,
            "TOCSIN_REDIS__URL": f"redis://{HOST}:{lines['redis'].port}/0",
            "TOCSIN_OTLP__ENDPOINT": f"http://{HOST}:{taker.port}",
        },
    )


def _launches(folder: Path, variables: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, Launch]:
    logs = folder / "logs"
    own = {name: {**variables, "OTEL_SERVICE_NAME": name, "TOCSIN_METRICS__PORT": str(port)} for name, port in ports.items()}
    consumers = {
        name: launch("consume", logs, {**own[name], "TOCSIN_KAFKA__GROUP_INSTANCE_ID": name, "PYTHONPATH": str(TRAP)}, name)
        for name in CONSUMERS
    }
    others: tuple[Command, ...] = ("work", "beat", "serve")
    return {**consumers, **{name: launch(name, logs, own[name]) for name in others}}


def make_topics(folder: Path, bootstrap_servers: str) -> None:
    """Has the product's own command make every topic. Raises PartDidNotStart."""
    argv = (sys.executable, "-m", "tocsin", "topics", "--create", "--replication-factor", "1")
    variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers}
    failure = run(
        Launch("tocsin topics", argv, folder, folder / "topics.log", variables), within_s=TOPICS_WITHIN_S, interrupted=threading.Event()
    )
    if failure:
        raise PartDidNotStart(f"the topics could not be made: {failure}")


def _all(calls: Sequence[Callable[[], None]]) -> None:
    """Side by side."""
    with ThreadPoolExecutor(max(1, len(calls))) as threads:
        for future in [threads.submit(call) for call in calls]:
            future.result()
