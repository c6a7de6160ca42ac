"""Prints the views of `tocsin top`: tables for a person, or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

import orjson
from rich.console import Console
from rich.text import Text

from tocsin.telemetry.instruments import Histogram
from tocsin.telemetry.metrics import EVENT_LATENCY, STAGE_DURATION, TASK_DURATION
from tocsin.telemetry.top.types import Neighbour, Process, Timing, View
from tocsin.terminal import plain, print_columns, print_words, room, seconds

CELL_MAX: Final = 100
TEXT_MAX: Final = 400
"""Most signs shown of a cell, and of a sentence, that a process says; it may be a stranger."""
STAGES_MAX: Final = 7
REASONS_MAX: Final = 12
NOTHING: Final = "-"
GOOD, ODD, BAD, HEAD = "green", "yellow", "bold red", "bold"

Row = tuple[Sequence[str], str]
"""The cells of a row and its style."""


def json_of(view: View) -> str:
    """The view as one line of JSON."""
    return orjson.dumps(view, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS).decode()


def drawn(view: View, like: Console) -> Text:
    """The view as it fits a terminal as wide as `like`, for a live display."""
    paper = Console(file=StringIO(), force_terminal=True, color_system="standard", width=room(like), _environ={})
    with paper.capture() as captured:
        tell(view, paper)
    return Text.from_ansi(captured.get())


def tell(view: View, out: Console) -> None:
    """Print the view, what matters most first."""
    print_words(out, _headline(view), style=HEAD)
    for part in (_processes, _lag, _endings, _neighbours, _stages, _work):
        part(view, out)


def _headline(view: View) -> str:
    silent = len(view.processes) - view.answering
    rates = f"rates over {view.window_s:.1f} s" if view.window_s else "no rates yet"
    answer = f"{view.answering} of {len(view.processes)} processes answer" if silent else f"{view.answering} processes"
    return f"{seconds(view.at)}  {answer}; {rates}"


def _table(out: Console, heading: Sequence[str], rows: Iterable[Row]) -> None:
    """Print an empty line and the table; nothing where it has no rows."""
    found = list(rows)
    if found:
        print_words(out, "")
        print_columns(out, heading, [[_shown(cell) for cell in cells] for cells, _ in found], [style for _, style in found])


def _shown(text: str, most: int = CELL_MAX) -> str:
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _processes(view: View, out: Console) -> None:
    heading = ("PROCESS", "ROLE", "STATE", "SITE", "MODEL", "VERSION", "RUNNING", "WAITING", "PICTURES", "TICK")
    _table(out, heading, map(_process, view.processes))
    for each in view.processes:
        for told, style in _troubles(each):
            print_words(out, _shown(told, TEXT_MAX), style=style, first=f"{each.address}: ", indent=2)


def _process(each: Process) -> Row:
    state, style = _state(each)
    cells = (each.address, each.role or NOTHING, state, each.site, each.model_version, each.version)
    numbers = (_number(each.running), _number(each.waiting), _bytes(each.picture_bytes), _duration(each.tick_age_s))
    return (*(cell or NOTHING for cell in cells), *numbers), style


def _state(each: Process) -> tuple[str, str]:
    if not each.answers:
        return "no answer", BAD
    if each.live is False:
        return "not live", BAD
    if each.held:
        return "held", BAD
    return ("ready", GOOD) if each.ready else ("not ready", ODD) if each.ready is False else ("unknown", ODD)


def _troubles(each: Process) -> Iterable[tuple[str, str]]:
    """What a person should know of the process, a sentence each."""
    if each.missing_because:
        yield each.missing_because, BAD
    yield from ((reason, ODD) for reason in each.reasons)
    if each.stalled:
        yield f"{_number(each.stalled)} partitions are held back by the bus: a producer's transaction stays open", ODD


def _lag(view: View, out: Console) -> None:
    rows = (((each.topic, str(each.partitions), _number(each.events), _duration(each.seconds)), _worse(each.events)) for each in view.lag)
    _table(out, ("LAG", "PARTITIONS", "EVENTS", "OLDEST"), rows)
    if view.oldest:
        told = ", ".join(f"{each.origin} {_duration(each.seconds)}" for each in view.oldest)
        print_words(out, _shown(told), first="oldest event: ", indent=2)
    for loss in view.losses:
        if loss.total:
            print_words(out, _shown(f"{loss.name} {_number(loss.total)}"), style=BAD, first="lost on the bus, or may have been: ", indent=2)


def _worse(number: float) -> str:
    return ODD if number else ""


def _endings(view: View, out: Console) -> None:
    """The throughput by ending; then the reasons, the most frequent of each ending first."""
    latency = {each.name: each for each in view.latency}
    rows = [
        ((each.ending, _rate(each.per_second), _number(each.total), *_quantiles(latency.get(each.ending), EVENT_LATENCY)), "")
        for each in view.throughput
    ]
    _table(out, ("ENDING", "EVENTS/S", "SINCE START", "P50", "P95", "OVER"), rows)
    reasons = [((each.ending, each.reason, each.origin, _rate(each.per_second), _number(each.total)), "") for each in view.endings]
    _table(out, ("ENDING", "REASON", "ORIGIN", "EVENTS/S", "SINCE START"), reasons[:REASONS_MAX])
    _left_out(out, len(reasons) - REASONS_MAX)


def _left_out(out: Console, count: int) -> None:
    if count > 0:
        print_words(out, f"... and {count} more (--json has all)")


def _neighbours(view: View, out: Console) -> None:
    _table(out, ("NEIGHBOUR", "REACHED BY", "BREAKER"), map(_neighbour, view.neighbours))


def _neighbour(each: Neighbour) -> Row:
    breaker = f"open at {', '.join(each.breaker_open_at)}" if each.breaker_open_at else "closed"
    style = BAD if each.breaker_open_at or each.reached_by < each.asked_by else GOOD
    return (each.neighbour, f"{each.reached_by} of {each.asked_by}" if each.asked_by else NOTHING, breaker), style


def _stages(view: View, out: Console) -> None:
    rows = (((each.name, _number(each.count), *_quantiles(each, STAGE_DURATION)), "") for each in view.stages[:STAGES_MAX])
    _table(out, ("STAGE", "TIMES", "P50", "P95", "OVER"), rows)
    _left_out(out, len(view.stages) - STAGES_MAX)


def _work(view: View, out: Console) -> None:
    _table(out, ("QUEUE", "WAITING"), (((each.queue, _number(each.waiting)), _worse(each.waiting)) for each in view.queues))
    tasks = (((each.name, each.outcome, _number(each.count), *_quantiles(each, TASK_DURATION)), "") for each in view.tasks[:REASONS_MAX])
    _table(out, ("TASK", "OUTCOME", "TIMES", "P50", "P95", "OVER"), tasks)
    _left_out(out, len(view.tasks) - REASONS_MAX)
    sent = (((each.name, each.result, _number(each.total)), "") for each in view.sent[:REASONS_MAX])
    _table(out, ("SENT BY BEAT", "RESULT", "SINCE START"), sent)


def _quantiles(timing: Timing | None, metric: Histogram) -> tuple[str, str, str]:
    """p50, p95, and over which time; `>` where it lies above the last bucket."""
    if timing is None:
        return NOTHING, NOTHING, NOTHING
    return _bounded(timing.p50_s, metric), _bounded(timing.p95_s, metric), timing.over


def _bounded(value: float | None, metric: Histogram) -> str:
    return (">" if value == metric.bounds[-1] else "") + _duration(value)


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _rate(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _duration(value_s: float | None) -> str:
    """Milliseconds below a second, minutes and hours above two of them."""
    if value_s is None:
        return NOTHING
    for unit, length_s in (("h", 3600), ("min", 60)):
        if value_s >= 2 * length_s:
            return f"{value_s / length_s:.1f} {unit}"
    return f"{value_s * 1000:.0f} ms" if 0 < value_s < 1 else f"{value_s:.1f} s"


def _bytes(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 1e6:.1f} MB"
