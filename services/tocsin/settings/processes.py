"""Settings of each process: `tocsin consume`, `tocsin work` and its tasks, health pages and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin.settings.values import BaseUrl, BearerToken, Group, Header, ProcessUrl

WORKERS_MOST: Final = 8
"""Workers of a process whose settings and memory limit ask for no fewer."""


class ConsumeSettings(Group):
    """How `tocsin consume` judges events: how many at once, how often again, and when it stops."""

    workers: int | None = Field(
        None,
        gt=0,
        examples=[WORKERS_MOST],
        description="Journeys that run at the same time in one process. Unset: 8, or as many as the memory limit has room for, by "
        "limit >= 160 MiB + image.in_flight_bytes_max + workers * the larger of 3 * fhir.answer_bytes_max and 6 * image.content_bytes_max.",
    )
    in_flight_max: PositiveInt = Field(64, description="Most events handed to the workers; with more, Tocsin pauses the partitions.")
    held_max: PositiveInt = Field(
        512, description="Most events held in memory, those that wait included; with more, Tocsin pauses the partitions."
    )
    commit_interval_s: PositiveFloat = Field(1.0, description="How often Tocsin commits the positions of events that ended.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running journeys at SIGTERM.")
    attempts_max: PositiveInt = Field(
        6, description="Failed attempts of one event, while its neighbours serve others, after which it becomes a dead letter."
    )
    give_up_after_s: float = Field(300.0, ge=0, description="Tocsin gives no event up sooner than this after its first failure.")
    retry_initial_s: PositiveFloat = Field(0.5, description="Longest first pause before an event is tried again.")
    retry_max_s: PositiveFloat = Field(30.0, description="Longest pause between two attempts, Retry-After included.")
    outage_budget_s: PositiveFloat = Field(
        3600.0, description="The process stops, and events keep their places, where none ends for this long while some wait."
    )
    turn_max_s: PositiveFloat | None = Field(
        None,
        description="The process ends where its loop has not moved for this long, so that its supervisor starts another. Unset: the "
        "loop's longest wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    wedged_after_s: PositiveFloat | None = Field(
        None,
        description="The process ends where a journey has had no server's answer for this long, so that its supervisor starts another. "
        "Unset: a journey's longest wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    commit_overdue_s: PositiveFloat = Field(
        120.0, description="The process ends where Kafka answers, there is a commit to make, and none was taken for this long."
    )
    circuit_failures_max: PositiveInt = Field(
        3, description="Failures of a neighbour in a row after which Tocsin asks it by one probe at a time and pauses the partitions."
    )
    deaths_max: PositiveInt = Field(
        3, description="Deaths of the process over one event alone, after which the event becomes a dead letter: poison."
    )
    restarts_max: int = Field(
        5, ge=0, description="Restarts of processes that died, within restarts_within_s, beyond which `tocsin consume --processes` ends."
    )
    restarts_within_s: PositiveFloat = Field(600.0, description="Length of the window in which restarts are counted.")
    dead_letter_window_s: PositiveFloat = Field(600.0, description="Length of the window in which Tocsin counts dead letters.")
    dead_letter_count_max: PositiveInt = Field(50, description="Dead letters within the window beyond which dead_letter_share_max decides.")
    dead_letter_share_max: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of all endings within the window beyond which dead letters, where there are more than dead_letter_count_max, "
        "stop the intake until a restart.",
    )

    @property
    def workers_running(self) -> int:
        """The number of workers; WORKERS_MOST where none is stated and no memory limit was looked at."""
        return self.workers or WORKERS_MOST


class ReplaySettings(Group):
    """How often a dead letter may be replayed."""

    replays_max: PositiveInt = Field(5, description="Most replays of one event, by operators and by Tocsin together.")


class WorkSettings(Group):
    """How `tocsin work` and `tocsin beat` do the tasks that are long, scheduled or fanned out."""

    processes: PositiveInt = Field(2, description="Tasks that run at the same time in one `tocsin work`.")
    task_timeout_s: PositiveFloat = Field(90.0, description="A task is told to end after this time; its next run does the rest.")
    task_kill_after_s: PositiveFloat = Field(120.0, description="A task that did not end is killed, with its process, after this time.")
    visibility_timeout_s: PositiveInt = Field(
        200,
        description="A task whose worker died is handed out again after this time. It must exceed task_kill_after_s and "
        "backfill.pause_max_s together, or a task that a worker still holds is handed out a second time.",
    )
    restore_every_s: PositiveFloat = Field(5.0, description="How often a worker looks for tasks whose worker died.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running tasks at SIGTERM; one broken off is done again.")
    waiting_max: PositiveInt = Field(100, description="Most tasks that may wait in one queue; `tocsin beat` adds none to a full one.")
    silence_max_s: PositiveFloat = Field(
        60.0,
        description="/live fails where Redis answers and for this long the loop did not turn, or a worker took none of the waiting tasks.",
    )
    state_folder: Path | None = Field(
        None,
        description="Folder where `tocsin beat` keeps, over restarts, when it sent which task; unset: nowhere. Its loss is harmless.",
    )
    redrive_every_s: PositiveFloat = Field(60.0, description="How often Tocsin looks for transient dead letters to replay.")
    redrive_window_s: PositiveFloat = Field(604_800.0, description="Age beyond which Tocsin leaves dead letters to operators.")
    redrive_batch_max: PositiveInt = Field(100, description="Most dead letters replayed in one run, the oldest first.")
    redrive_initial_s: PositiveFloat = Field(600.0, description="Pause before the first redrive; each further one waits twice as long.")
    redrive_max_s: PositiveFloat = Field(21_600.0, description="Longest pause before a redrive.")
    redrive_replays_max: PositiveInt = Field(
        4,
        description="Replays of one event, by anybody, after which Tocsin leaves further ones, up to replay.replays_max, to operators.",
    )
    reconcile_every_s: PositiveFloat = Field(3600.0, description="How often Tocsin compares the record with what it announced.")
    resume_every_s: PositiveFloat = Field(
        60.0, description="How often Tocsin looks for backfills that stand still, and takes them up again."
    )

    @model_validator(mode="after")
    def _in_order(self) -> WorkSettings:
        if not self.task_timeout_s < self.task_kill_after_s < self.visibility_timeout_s:
            raise ValueError(
                "TOCSIN_WORK__TASK_TIMEOUT_S must be below TOCSIN_WORK__TASK_KILL_AFTER_S, and that below TOCSIN_WORK__VISIBILITY_TIMEOUT_S"
            )
        return self


class BackfillSettings(Group):
    """How `tocsin work` announces the pictures that the record holds already, little by little."""

    per_second: PositiveFloat = Field(
        5.0, description="Pictures announced each second, evenly spread, unless a backfill has a rate of its own."
    )
    page_media: PositiveInt = Field(50, description="Most Media read and announced in one step; fewer where the rate is low.")
    settle_s: float = Field(
        60.0, ge=0, description="A backfill reads Media only once they were unchanged for this long: clocks differ, and commits come late."
    )
    lag_max: PositiveInt = Field(
        500, description="Most announced pictures that may wait for `tocsin consume`; a backfill pauses while more do."
    )
    lag_wait_s: PositiveFloat = Field(10.0, description="Pause before a backfill that waits looks again.")
    pause_max_s: PositiveFloat = Field(60.0, description="Longest pause for which a worker holds a step; a longer one is split.")
    stale_after_s: PositiveFloat = Field(60.0, description="A backfill whose step is overdue for this long counts as standing still.")
    modality: tuple[str, ...] | None = Field(
        None,
        description="Modalities that backfill and reconciliation look for, as JSON: system|code or code, `absent` where a Media states "
        "none; []: all. Unset: those of the model card, and `absent` where TOCSIN_IMAGE__MODALITY_WHEN_ABSENT is one of them.",
    )


class ReconcileSettings(Group):
    """How `tocsin work` compares the record with what Tocsin announced."""

    window_s: PositiveFloat = Field(
        86_400.0, description="How far back each run compares pictures, reports and flags; further where the last run is longer ago."
    )
    catch_up_s: PositiveFloat = Field(
        1_209_600.0,
        description="How far back a run that comes late goes at most. It must stay below the flag topic's retention, or Tocsin tells "
        "again of a report whose flag was deleted.",
    )
    grace_s: PositiveFloat = Field(
        900.0, description="Reconciliation leaves alone what is younger than this: its journey may be under way."
    )
    batch_max: PositiveInt = Field(
        1000, description="Most pictures announced again in one run, the oldest first; the next run takes the rest."
    )
    slice_max: PositiveInt = Field(
        10_000, description="Most pictures, reports or flags compared together, the oldest first; it bounds memory."
    )
    run_s: PositiveFloat = Field(
        60.0,
        description="A run begins no slice that would end later than this; the next run goes on there. Below work.task_timeout_s.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> ReconcileSettings:
        if not self.grace_s < self.window_s <= self.catch_up_s:
            raise ValueError(
                "TOCSIN_RECONCILE__GRACE_S must be below TOCSIN_RECONCILE__WINDOW_S, and that not above TOCSIN_RECONCILE__CATCH_UP_S"
            )
        return self


class MetricsSettings(Group):
    """Where a process answers GET /live, GET /ready and GET /metrics."""

    host: str = Field(
        "0.0.0.0", description="Address that the health pages listen on; supervisors ask from outside, and no page names a patient."
    )
    port: int = Field(9464, ge=0, le=65535, description="Port that the health pages listen on; 0: any free one, which the log names.")
    ping_every_s: PositiveFloat = Field(5.0, description="How often Tocsin asks each neighbour whether it answers.")
    processes: tuple[ProcessUrl, ...] = Field(
        (),
        max_length=64,
        description="Addresses of further processes that `tocsin top` asks, besides this machine's own, as JSON.",
        examples=[["http://consume-0.example.org:9464", "work-0.example.org:9464"]],
    )
    answer_timeout_s: PositiveFloat = Field(2.0, description="Longest wait of `tocsin top` for a process's answer.")


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


QueryApi = Literal["jaeger", "zipkin"]


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
    query_api: QueryApi = Field("jaeger", description="Which query API answers there.")
    query_bearer_token: BearerToken | None = Field(
        None, description="Token that is sent to the origin of TOCSIN_TRACES__QUERY_URL only; unset: none."
    )
    query_header: Header | None = Field(
        None, description="Another header that it asks for, as Name: value, such as Authorization: Basic ...; sent there only; unset: none."
    )
    query_timeout_s: PositiveFloat = Field(2.0, description="Longest wait for its answer.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for that back end, and no others; unset: the system's."
    )

    @model_validator(mode="after")
    def _one_proof(self) -> TracesSettings:
        header = self.query_header.get_secret_value() if self.query_header is not None else ""
        if self.query_bearer_token is not None and header.lower().startswith("authorization:"):
            raise ValueError("TOCSIN_TRACES__QUERY_BEARER_TOKEN is sent as the header Authorization, as is TOCSIN_TRACES__QUERY_HEADER")
        return self


class LogSettings(Group):
    """What a process writes to its log."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level that is logged.")
    form: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for a terminal.")
