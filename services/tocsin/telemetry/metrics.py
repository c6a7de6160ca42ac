"""Every metric that Tocsin keeps, as a typed literal: its name, unit, meaning and labels.

They are recorded through OpenTelemetry's metrics API, so that they cost next to nothing until a process sets up a reader
(telemetry/exporters.py). A label takes its values from a closed set: codes of this program, of the model card and of the settings, never an
id. Names and labels that OpenTelemetry's semantic conventions define are used as they define them; the others begin with `tocsin.`.
Prometheus reads `tocsin.event.latency` in `s` as `tocsin_event_latency_seconds` (OpenTelemetry, Prometheus compatibility).
"""

from __future__ import annotations

from typing import Final

from tocsin.telemetry.instruments import Counter, Gauge, Histogram, Labels, Total

WAITS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""60 s and 900 s are the bounds of the service-level objectives (deploy/prometheus/rules.yaml)."""
WORK_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALLS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""OpenTelemetry's own for http.client.request.duration and rpc.client.call.duration."""
READING_S: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""A clinician's look: below 2 s nobody has read anything."""
TASKS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

# Events.

EVENTS: Final = Counter(
    "tocsin.events",
    "{event}",
    "Events that came to a durable ending. reason: the band, why the picture is not assessable, or why the event was refused.",
    ("ending", "reason", "origin"),
)
"""ending: published, not-assessable, refused; origin: live, backfill (also what reconciliation announces), replay."""
EVENT_LATENCY: Final = Histogram(
    "tocsin.event.latency", "s", "From Kafka's time of the record to the event's ending.", ("ending", "origin"), WAITS_S
)
EVENT_OLDEST_AGE: Final = Gauge("tocsin.event.oldest.age", "s", "Age of the oldest event without an ending; 0: there is none.", ("origin",))
ATTEMPTS: Final = Counter(
    "tocsin.attempts",
    "{attempt}",
    "Tries at taking an event to its ending. outcome: ended, unavailable, contended; neighbour: who kept it from ending, or none.",
    ("outcome", "neighbour"),
)
STAGE_DURATION: Final = Histogram(
    "tocsin.stage.duration",
    "s",
    "Time that one stage of a journey took: fetch, decode, gate, infer, find, write, announce.",
    ("stage",),
    WORK_S,
)
DEAD_LETTERS: Final = Counter(
    "tocsin.dead_letters", "{event}", "Dead letters sent. class: permanent, transient, poison.", ("reason", "class")
)
REPLAYS: Final = Counter("tocsin.replays", "{event}", "Dead letters replayed. by: operator, redrive.", ("by",))

# The consumer and the bus.

CONSUMER_LAG: Final = Gauge("tocsin.consumer.lag", "{event}", "Records of the partition that are not committed.", ("topic", "partition"))
CONSUMER_LAG_TIME: Final = Gauge(
    "tocsin.consumer.lag.time",
    "s",
    "Age of the first record of the partition that has no ending; 0: there is none.",
    ("topic", "partition"),
)
CONSUMER_EVENTS: Final = Gauge(
    "tocsin.consumer.events", "{event}", "Events in hand without an ending. state: running, waiting.", ("state",)
)
CONSUMER_HELD: Final = Gauge("tocsin.consumer.held", "1", "1 while nothing more is taken in until a person has acted.")
CONSUMER_STALLED: Final = Gauge(
    "tocsin.consumer.stalled", "1", "Partitions whose events the bus itself holds back: a producer's transaction stays open."
)
COMMITS: Final = Counter("tocsin.commits", "{commit}", "Commits of offsets. result: taken, failed, refused.", ("result",))
LOSSES: Final = Counter(
    "tocsin.losses",
    "{loss}",
    "What was lost on the bus or may have been. kind: retention-gap, topic-made-anew, unreadable-batch, fenced.",
    ("kind",),
)
REPORTS_MISPLACED: Final = Counter(
    "tocsin.reports.misplaced",
    "{report}",
    "Reports found to name another patient than the report just written on the same Media.",
)
PICTURE_BYTES: Final = Gauge("tocsin.picture.bytes", "By", "Memory lent to pictures that are being judged.")

# Neighbours.

NEIGHBOUR_REACHED: Final = Gauge("tocsin.neighbour.reached", "1", "1 while the neighbour answers its ping as it must.", ("neighbour",))
BREAKER_OPEN: Final = Gauge("tocsin.breaker.open", "1", "1 while events wait for the neighbour and it is only probed.", ("neighbour",))
HTTP_DURATION: Final = Histogram(
    "http.client.request.duration",
    "s",
    "Time to the whole answer of the FHIR server, or of a server that holds a picture.",
    ("http.request.method", "url.template", "http.response.status_code", "status_class", "error.type", "server.address", "server.port"),
    CALLS_S,
)
"""Semantic conventions for HTTP metrics, stable; status_class (2xx, 4xx, none...) is Tocsin's own."""
RPC_DURATION: Final = Histogram(
    "rpc.client.call.duration",
    "s",
    "Time to Triton's answer.",
    ("rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"),
    CALLS_S,
)
"""Semantic conventions for RPC metrics, in development (opentelemetry-semantic-conventions 0.66)."""
TRITON_TIME: Final = Total(
    "tocsin.triton.time",
    "s",
    "Time that the model's requests spent in Triton, whoever sent them, by Triton's own statistics. phase: queue, input, compute, output.",
    ("phase",),
)
TRITON_REQUESTS: Final = Total(
    "tocsin.triton.requests",
    "{request}",
    "Requests for the model that Triton answered, whoever sent them, by Triton's own statistics. result: success, failure.",
    ("result",),
)

# What is long, scheduled or fanned out.

QUEUE_DEPTH: Final = Gauge("tocsin.work.queue.depth", "{task}", "Tasks that wait in a queue of Redis.", ("queue",))
TASK_DURATION: Final = Histogram(
    "tocsin.work.task.duration",
    "s",
    "Time that a task took. outcome: done, left-out, deferred, failed, timed-out, killed.",
    ("task", "outcome"),
    TASKS_S,
)
TICK_AGE: Final = Gauge("tocsin.beat.tick.age", "s", "Time since the scheduler last went round.")
TASKS_SENT: Final = Counter("tocsin.beat.sent", "{task}", "Tasks that came due. result: sent, queue-full, failed.", ("task", "result"))
ANNOUNCED: Final = Counter("tocsin.announced", "{picture}", "Pictures announced. by: backfill, reconciliation.", ("by",))
BACKFILLS: Final = Counter(
    "tocsin.backfills.seen",
    "{backfill}",
    "Backfills that have not ended, each again whenever resume_backfills looks. state: running, waiting, overdue, refused, paused.",
    ("state",),
)
"""waiting: for announced pictures to be judged, or for Media to settle; overdue: no step came; refused: the FHIR server refuses its search,
and it is paused; paused: by an operator. A count and no gauge: a task measures it, whose process is asked by nobody."""
GAPS: Final = Counter(
    "tocsin.reconciliation.gaps",
    "{picture}",
    "Pictures whose record and bus did not agree. kind: as `tocsin reconcile` names it.",
    ("kind",),
)

# What clinicians do.

VERDICTS: Final = Counter(
    "tocsin.verdicts",
    "{verdict}",
    "What became of verdicts. state: recorded, waiting, overtaken, refused; one that waited is counted again at its end.",
    ("act", "state", "surface"),
)
"""act: accept, override, correct, not-assessable, withdraw, undo; surface: page, card, command."""
VERDICT_TIME: Final = Histogram(
    "tocsin.verdict.time",
    "s",
    "From the result before the clinician's eyes to the act, where that is known.",
    ("act", "surface"),
    READING_S,
)
VERDICTS_OPEN: Final = Counter(
    "tocsin.verdicts.open",
    "{verdict}",
    "Verdicts that the bus has and the record does not, each again whenever the task looks. state: waiting, overdue, refused.",
    ("state",),
)
"""overdue: waiting for longer than TOCSIN_VERDICTS__OVERDUE_AFTER_S; refused: the FHIR server finds fault with the transaction."""
VERDICT_WAITED: Final = Histogram(
    "tocsin.verdict.waited", "s", "How long the oldest verdict that is not in the record has waited, at each look.", (), WAITS_S
)
# CDS Hooks.

CDS_DURATION: Final = Histogram(
    "tocsin.cds.duration",
    "s",
    "From the call of a hook to its answer. outcome: cards, no-cards, done, refused, malformed, wrong-patient, without-data, busy, failed.",
    ("hook", "outcome"),
    CALLS_S,
)
"""hook: patient-view, order-select, order-sign, discovery, feedback, other; its count is that of the calls."""
CDS_CARDS: Final = Counter("tocsin.cds.cards", "{card}", "Cards in answers to hooks. band: the band, not-assessable, other.", ("band",))
CDS_FEEDBACK: Final = Counter(
    "tocsin.cds.feedback", "{answer}", "Answers to cards, as EHRs tell them. outcome: accepted, overridden.", ("outcome",)
)
CDS_REFUSALS: Final = Counter(
    "tocsin.cds.refusals", "{request}", "Calls whose caller did not prove who it is. reason: what failed.", ("reason",)
)
CDS_KEY_SETS: Final = Counter("tocsin.cds.key_sets", "{request}", "Readings of EHRs' key sets. result: read, failed.", ("result",))

SPANS_DROPPED: Final = Counter(
    "tocsin.spans.dropped", "1", "Spans that were not exported although their journey was. reason: journey-too-long.", ("reason",)
)
LINES_LOST: Final = Total("tocsin.lines.lost", "{line}", "Log lines that standard error did not take. reason: unwritable.", ("reason",))
EXPORTS_FAILED: Final = Counter(
    "tocsin.exports.failed",
    "{request}",
    "Requests to the OTLP collector that came to nothing; the spans and lines they held are lost. signal: traces, metrics, logs.",
    ("signal",),
)
MEASURES_DROPPED: Final = Counter(
    "tocsin.measures.dropped", "{measure}", "Measures of tasks that were not recorded: the worker did not take them in time."
)

# Pages and hooks for clinicians.

SERVED: Final = Histogram(
    "http.server.request.duration",
    "s",
    "Time in which `tocsin serve` answered, by the route's template.",
    ("http.request.method", "http.route", "http.response.status_code"),
    CALLS_S,
)
"""Semantic conventions for HTTP metrics, stable."""
LAUNCHES: Final = Counter(
    "tocsin.launches", "{launch}", "SMART launches that came back from an EHR, or were refused. result: opened, or why not.", ("result",)
)

# Unread flags.

WORKLIST_UNREAD: Final = Gauge("tocsin.worklist.unread", "{report}", "Reports that no clinician has answered.", ("band",))
WORKLIST_UNSIGNED: Final = Gauge(
    "tocsin.worklist.unsigned", "{report}", "Those of them whose card an EHR says was answered, with no verdict since.", ("band",)
)
WORKLIST_OLDEST: Final = Gauge("tocsin.worklist.unread.oldest.age", "s", "Age of the oldest of them.", ("band",))
WORKLIST_OVERDUE: Final = Gauge("tocsin.worklist.overdue", "{report}", "Flags that no clinician has answered in the site's time.")
WORKLIST_BEHIND: Final = Gauge("tocsin.worklist.behind", "s", "Time since the worklist was known to hold all that the bus says.")
WORKLIST_LEFT_OUT: Final = Gauge("tocsin.worklist.left_out", "{report}", "Reports that ask to be looked at and found no room on the list.")
AUDIT_SAMPLE: Final = Gauge(
    "tocsin.audit.sample", "{report}", "Reports of the audit sample on the worklist. reading: read, or unread.", ("reading",)
)
NOTICES: Final = Counter("tocsin.notices", "{message}", "Messages to people about unread flags.", ("channel", "result"))

# Whether the model is where its evaluation left it.

WATCH_LOOKS: Final = Counter(
    "tocsin.watch.looks",
    "{look}",
    "How each signal stood, again at each look. state: quiet, alarm, too-few, unanswered.",
    ("signal", "group", "state"),
)
"""signal and state as in learning/watch/types.py; group: all, any, a band or a malignant class of the card, other, not-assessable,
body-site: and a region of the card or other-or-not-known."""
WATCH_FIGURE: Final = Histogram(
    "tocsin.watch.figure",
    "1",
    "How near its alarm each signal was, in units of its limit, at each look.",
    ("signal", "group"),
    (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0),
)

# What runs.

UPTIME: Final = Gauge("process.uptime", "s", "Time since the process started.")
"""Semantic conventions for processes, in development."""
INFO: Final = Gauge("tocsin.info", "1", "1; what runs, in its labels.", ("version", "card_sha256", "site_file", "edition"))

CATALOGUE: Final = (
    *(EVENTS, EVENT_LATENCY, EVENT_OLDEST_AGE, ATTEMPTS, STAGE_DURATION, DEAD_LETTERS, REPLAYS),
    *(CONSUMER_LAG, CONSUMER_LAG_TIME, CONSUMER_EVENTS, CONSUMER_HELD, CONSUMER_STALLED, COMMITS, LOSSES, REPORTS_MISPLACED, PICTURE_BYTES),
    *(NEIGHBOUR_REACHED, BREAKER_OPEN, HTTP_DURATION, RPC_DURATION, TRITON_TIME, TRITON_REQUESTS),
    *(QUEUE_DEPTH, TASK_DURATION, TICK_AGE, TASKS_SENT, ANNOUNCED, BACKFILLS, GAPS),
    *(VERDICTS, VERDICT_TIME, VERDICTS_OPEN, VERDICT_WAITED),
    *(SERVED, LAUNCHES),
    *(CDS_DURATION, CDS_CARDS, CDS_FEEDBACK, CDS_REFUSALS, CDS_KEY_SETS),
    *(WORKLIST_UNREAD, WORKLIST_UNSIGNED, WORKLIST_OLDEST, WORKLIST_OVERDUE, WORKLIST_BEHIND, WORKLIST_LEFT_OUT, AUDIT_SAMPLE, NOTICES),
    *(WATCH_LOOKS, WATCH_FIGURE),
    *(SPANS_DROPPED, LINES_LOST, EXPORTS_FAILED, MEASURES_DROPPED, UPTIME, INFO),
)
"""Every metric, in the order of deploy/metrics.md. On each, `site` and `model_version` say whose it is (telemetry/exporters.py)."""


def record_told(name: str, value: float, labels: Labels) -> None:
    """Record what another process measured; nothing where there is no such metric or label."""
    metric = next((each for each in CATALOGUE if each.name == name), None)
    if metric is None or not labels.keys() <= set(metric.labels):
        return
    match metric:
        case Counter():
            metric.add(value, labels)
        case Histogram():
            metric.record(value, labels)
