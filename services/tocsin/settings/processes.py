"""How each process runs: consume, work and what it does, what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin.settings.values import BaseUrl, Group


class ConsumeSettings(Group):
    """The hot path."""

    workers: PositiveInt = Field(8, description="Journeys that run at the same time in one process.")
    in_flight_max: PositiveInt = Field(64, description="Events handed to the workers; beyond it the partitions are paused.")
    held_max: PositiveInt = Field(512, description="Events held in memory, also those that wait; beyond it the partitions are paused.")
    commit_interval_s: PositiveFloat = Field(1.0, description="How often finished positions are committed.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running journeys at SIGTERM.")
    attempts_max: PositiveInt = Field(6, description="Failed attempts of one event while its neighbours serve others; then a dead letter.")
    give_up_after_s: float = Field(300.0, ge=0, description="No event is given up sooner than this after its first failure.")
    retry_initial_s: PositiveFloat = Field(0.5, description="Longest first pause before an event is tried again.")
    retry_max_s: PositiveFloat = Field(30.0, description="Longest pause between two attempts, Retry-After included.")
    outage_budget_s: PositiveFloat = Field(
        3600.0, description="No event ends for this long while some wait: the process stops, places kept."
    )
    turn_max_s: PositiveFloat | None = Field(
        None,
        description="The loop has not moved for this long: the process ends, so that its supervisor starts another. Unset: its longest "
        "wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    wedged_after_s: PositiveFloat | None = Field(
        None,
        description="A journey has had no answer of a server for this long: the process ends, so that its supervisor starts another. "
        "Unset: its longest wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    commit_overdue_s: PositiveFloat = Field(
        120.0, description="No commit was taken for this long although the bus answers and there is one to make: not live."
    )
    circuit_failures_max: PositiveInt = Field(
        3, description="Failures of a neighbour in a row after which nothing is asked of it but one probe at a time; partitions are paused."
    )
    deaths_max: PositiveInt = Field(
        3, description="Deaths of the process with one event alone in hand; then it is dead-lettered as poison."
    )
    dead_letter_window_s: PositiveFloat = Field(600.0, description="Over how long dead letters are counted.")
    dead_letter_count_max: PositiveInt = Field(50, description="More dead letters within the window than this...")
    dead_letter_share_max: float = Field(
        0.5, gt=0, le=1, description="...that are more than this share of all endings: nothing more is taken in until a restart."
    )


class ReplaySettings(Group):
    """Dead letters that are tried again."""

    replays_max: PositiveInt = Field(5, description="Replays of one event, by operators and by Tocsin together; beyond it none is sent.")


class WorkSettings(Group):
    """What is long, scheduled or fanned out: `tocsin work` and `tocsin beat`."""

    processes: PositiveInt = Field(2, description="Tasks that run at the same time in one `tocsin work`.")
    task_timeout_s: PositiveFloat = Field(90.0, description="A task is told to end after this time; what it has not done comes next time.")
    task_kill_after_s: PositiveFloat = Field(120.0, description="The process of a task that did not end is killed after this time.")
    visibility_timeout_s: PositiveInt = Field(
        200,
        description="A task whose worker died is handed out again after this time. Longer than task_kill_after_s and backfill.pause_max_s "
        "together: a task that a worker still holds would be handed out a second time.",
    )
    restore_every_s: PositiveFloat = Field(5.0, description="How often a worker looks for tasks whose worker died.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running tasks at SIGTERM; one broken off is done again.")
    waiting_max: PositiveInt = Field(100, description="Tasks that may wait in one queue; the scheduler adds none to a longer one.")
    silence_max_s: PositiveFloat = Field(
        60.0,
        description="While Redis answers: longest time without a turn of the loop, or with tasks that wait and a worker that takes none.",
    )
    state_folder: Path | None = Field(
        None, description="Where `tocsin beat` remembers what it has sent, over restarts; unset: nowhere. Its loss is harmless."
    )
    redrive_every_s: PositiveFloat = Field(60.0, description="How often transient dead letters are looked through.")
    redrive_window_s: PositiveFloat = Field(604_800.0, description="Dead letters that are older are left to operators.")
    redrive_batch_max: PositiveInt = Field(100, description="Dead letters replayed in one go, the oldest first.")
    redrive_initial_s: PositiveFloat = Field(600.0, description="Pause before the first redrive; each further one waits twice as long.")
    redrive_max_s: PositiveFloat = Field(21_600.0, description="Longest pause before a redrive.")
    redrive_replays_max: PositiveInt = Field(
        4, description="An event replayed this often, by whomever, is not redriven; below replays_max some replays are left to operators."
    )
    reconcile_every_s: PositiveFloat = Field(3600.0, description="How often the record is compared with what Tocsin announced.")
    resume_every_s: PositiveFloat = Field(60.0, description="How often backfills that stand still are taken up again.")

    @model_validator(mode="after")
    def _in_order(self) -> WorkSettings:
        if not self.task_timeout_s < self.task_kill_after_s < self.visibility_timeout_s:
            raise ValueError("task_timeout_s must be below task_kill_after_s, and that below visibility_timeout_s")
        return self


class BackfillSettings(Group):
    """Pictures that the record holds already, announced little by little."""

    per_second: PositiveFloat = Field(5.0, description="Pictures announced each second, evenly, unless a backfill is given its own.")
    page_media: PositiveInt = Field(50, description="Most Media read and announced in one step; fewer where their rate is low.")
    settle_s: float = Field(60.0, ge=0, description="Media changed more recently are read last: clocks differ, and commits come late.")
    lag_max: PositiveInt = Field(500, description="Announced pictures that may wait for `tocsin consume`; while more do, none is added.")
    lag_wait_s: PositiveFloat = Field(10.0, description="Pause before a backfill that waits for `tocsin consume` looks again.")
    pause_max_s: PositiveFloat = Field(60.0, description="Longest pause for which a worker holds a step; longer ones are told in parts.")
    stale_after_s: PositiveFloat = Field(60.0, description="A backfill whose step is overdue for this long is taken up again.")
    modality: tuple[str, ...] | None = Field(
        None,
        description="Modalities that backfill and reconciliation look for, as JSON: system|code or code, `absent` where a Media states "
        "none; []: all. Unset: those of the model card, and `absent` where TOCSIN_IMAGE__MODALITY_WHEN_ABSENT is one of them.",
    )


class ReconcileSettings(Group):
    """The record compared with what Tocsin announced."""

    window_s: PositiveFloat = Field(
        86_400.0, description="How far back pictures, reports and flags are compared again and again; further where a comparison came late."
    )
    catch_up_s: PositiveFloat = Field(
        1_209_600.0,
        description="How far back a comparison that comes late goes. Below the retention of the flag topic: a report whose flag is deleted "
        "would be told again.",
    )
    grace_s: PositiveFloat = Field(900.0, description="What is younger is left alone: its journey may be under way.")
    batch_max: PositiveInt = Field(1000, description="Pictures announced again in one go, the oldest first; the rest come next time.")
    slice_max: PositiveInt = Field(
        10_000, description="Pictures, reports or flags compared together, the oldest first; bounds what is held in memory."
    )
    run_s: PositiveFloat = Field(
        60.0, description="No further slice is begun that would end later than this; the next run goes on there. Below work.task_timeout_s."
    )

    @model_validator(mode="after")
    def _in_order(self) -> ReconcileSettings:
        if not self.grace_s < self.window_s <= self.catch_up_s:
            raise ValueError("grace_s must be below window_s, and that not above catch_up_s")
        return self


class MetricsSettings(Group):
    """Where a process says how it is: GET /live and /ready."""

    host: str = Field("0.0.0.0", description="Address listened on; supervisors ask from outside, and nothing said there names a patient.")
    port: int = Field(9464, ge=0, le=65535, description="Port listened on; 0: any free one, named in the log.")
    ping_every_s: PositiveFloat = Field(5.0, description="How old what is said of a neighbour may be.")


class OtlpSettings(Group):
    """Where spans, metrics and log lines are sent by OpenTelemetry's own protocol (OTLP)."""

    endpoint: str | None = Field(
        None,
        description="Base address of the collector, as OTEL_EXPORTER_OTLP_ENDPOINT, which counts where this is unset. Unset both: "
        "nothing is sent.",
    )
    protocol: Literal["http/protobuf", "grpc"] | None = Field(
        None, description="As OTEL_EXPORTER_OTLP_PROTOCOL, which counts where this is unset. Unset both: http/protobuf."
    )
    headers: SecretStr | None = Field(None, description="Headers of each request, as OTEL_EXPORTER_OTLP_HEADERS: name=value, with commas.")
    tls_ca_file: Path | None = Field(None, description="Authorities to trust, PEM; unset: the system's.")
    signals: tuple[Literal["traces", "metrics", "logs"], ...] = Field(
        ("traces",), description="What is sent, as JSON. Metrics are served on the metrics port and lines written in any case."
    )
    timeout_s: PositiveFloat = Field(5.0, description="Longest wait for the collector's answer to one request.")
    every_s: PositiveFloat = Field(5.0, description="Longest time for which spans and lines wait for others to be sent with.")
    metrics_every_s: PositiveFloat = Field(60.0, description="How often metrics are sent.")
    queue_max: PositiveInt = Field(4096, description="Spans, and lines, that wait to be sent; beyond it the oldest are dropped.")
    close_wait_s: PositiveFloat = Field(3.0, description="Longest wait at the process's end for what is still to be sent.")


class TracesSettings(Group):
    """One trace for one event."""

    ratio: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the journeys kept that begin no sooner than here. One that did not end as published is "
        "kept in any case, and one that its producer traces as the producer decided.",
    )
    producer: Literal["parent", "link"] = Field(
        "parent", description="Whether the journey's span is a child of the producer's, or begins a trace of its own that links to it."
    )
    held_spans_max: PositiveInt = Field(
        128, description="Spans of one journey held until its ending is known; further ones are dropped and counted."
    )
    query_url: BaseUrl | None = Field(
        None, description="Base address of the back end that `tocsin trace` asks, e.g. https://jaeger.example.org"
    )
    query_api: Literal["jaeger", "zipkin"] = Field("jaeger", description="Which query API answers there.")
    query_timeout_s: PositiveFloat = Field(2.0, description="Longest wait for its answer.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for that back end, and no others; unset: the system's."
    )


class LogSettings(Group):
    """What is said while it runs."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line written.")
    form: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for a terminal.")
