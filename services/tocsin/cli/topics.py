"""tocsin topics: compares the bus's topics with their files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.text import Text

from tocsin.kafka.latest import unreadable_batches
from tocsin.kafka.topic_admin import topic_admin
from tocsin.kafka.topic_drift import COPIES, Drift, Surplus, drifts, surpluses, tool_options
from tocsin.kafka.topics import MIN_IN_SYNC, Topic, named, read_topics
from tocsin.packaged import TOPICS, packaged
from tocsin.settings import KafkaSettings, read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, print_columns

_FEW_BROKERS: Final = (
    "\nThis bus has {} broker(s), and the topics' files want {} copies, each on a broker of its own. For a pilot:\n"
    "  export TOCSIN_KAFKA__REPLICATION_FACTOR={}"
)
STYLES: Final = {"ok": "green", "missing": "bold red", "drift": "bold yellow"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one topic compares with its file."""

    wanted: Topic
    state: str
    """ok, missing or drift."""
    created: bool
    """Whether this very run created the topic."""
    drift: tuple[Drift, ...]
    surplus: tuple[Surplus, ...]
    """By what it has more than its file says, which is no fault."""


def topics(
    schemas: Annotated[
        Path | None, typer.Option("--schemas", metavar="DIR", help="Folder of the topics' files, instead of those that come with Tocsin.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the topics that are missing; one that exists is never changed.")] = False,
    replication_factor: Annotated[
        int | None,
        typer.Option(
            "--replication-factor",
            metavar="N",
            min=1,
            help="Instead of TOCSIN_KAFKA__REPLICATION_FACTOR or the files' own; min.insync.replicas is then at most N.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a topic instead of a table.")] = False,
) -> None:
    """Compare the bus's topics with their files, say where they differ, and how to mend it; with --create, make those that are missing.

    Each file gives a topic's partitions, copies and configuration; what is compared is what is in effect, the brokers' defaults
    included. The names are those of TOCSIN_KAFKA__TOPIC_*. A topic that keeps its records longer than its file says, or has more
    partitions, is told of and passes; a compacted one has as many partitions as its file says.

    Example, on a bus of one broker:

    tocsin topics --create --replication-factor 1

    Exit codes: 0 every topic is as its file says, or has more; 1 one is missing or differs; 75 no broker answers; 76 a broker refuses,
    and the message says what to do; 78 a setting or a topic's file is wrong.
    """
    quiet_libraries()
    settings = read_settings().kafka
    replication_factor = replication_factor or settings.replication_factor
    wanted = named(read_topics(schemas or packaged(TOPICS)), settings)
    if replication_factor is not None:
        wanted = [topic.with_replicas(replication_factor) for topic in wanted]
    standings, brokers = _standings(settings, wanted, create)
    unreadable = unreadable_batches(settings, [topic.topic for topic in wanted])
    _print_json(standings, unreadable) if as_json else _print_table(standings, brokers, unreadable, replication_factor)
    if unreadable or any(each.state != "ok" for each in standings):
        raise typer.Exit(1)


def _standings(settings: KafkaSettings, wanted: Sequence[Topic], create: bool) -> tuple[list[Standing], int]:
    """How each topic stands, and how many brokers there are."""
    with topic_admin(settings) as admin:
        brokers = admin.brokers()
        found = admin.found([topic.topic for topic in wanted])
        missing = [topic for topic in wanted if topic.topic not in found]
        if create and missing:
            admin.create(missing)
            found |= admin.found([topic.topic for topic in missing])
    options = tool_options(settings)
    standings = []
    for topic in wanted:
        has = found.get(topic.topic)
        drift = () if has is None else tuple(drifts(topic, has, options))
        surplus = () if has is None else tuple(surpluses(topic, has))
        state = "missing" if has is None else "drift" if drift else "ok"
        standings.append(Standing(topic, state, has is not None and topic in missing, drift, surplus))
    return standings, brokers


def _print_json(standings: Sequence[Standing], unreadable: Mapping[str, str]) -> None:
    for each in standings:
        typer.echo(orjson.dumps(_plain(each, unreadable.get(each.wanted.topic))).decode())


def _plain(standing: Standing, unreadable: str | None) -> dict[str, Any]:
    topic = standing.wanted
    return {
        "topic": topic.topic,
        "state": standing.state,
        "created": standing.created,
        "partitions": topic.partitions,
        "replication_factor": topic.replication_factor,
        "config": dict(topic.config),
        "drift": [asdict(each) for each in standing.drift],
        "surplus": [asdict(each) for each in standing.surplus],
        "unreadable": unreadable,
    }


def _print_table(standings: Sequence[Standing], brokers: int, unreadable: Mapping[str, str], replication_factor: int | None) -> None:
    out, rows, styles = console(), list[list[str]](), list[str]()
    for each in standings:
        differences: tuple[Drift | Surplus, ...] = (*each.drift, *each.surplus)
        for number, difference in enumerate(differences or (None,)):
            said = [each.wanted.topic, each.state + (", created" if each.created else "")] if number == 0 else ["", ""]
            rows.append([*said, *_cells(difference)])
            styles.append(STYLES[each.state])
    print_columns(out, ("topic", "state", "property", "wanted", "found"), rows, styles)
    few = [each for each in standings if each.wanted.replication_factor > brokers]
    if few:
        _line(out, _FEW_BROKERS.format(brokers, max(each.wanted.replication_factor for each in few), brokers))
    _print_fixes(out, standings, () if not few else (COPIES, MIN_IN_SYNC))
    _print_surpluses(out, standings)
    for topic, why in unreadable.items():
        _line(out, f"\n{topic}: its latest batch cannot be read: {why}")
        _line(out, "  fix: see `tocsin dead-letters --reason unreadable`, or have the producer write with a codec that Tocsin reads")
    if replication_factor is not None:
        _line(out, f"\nAsked for: replication factor {replication_factor}, {MIN_IN_SYNC} at most {replication_factor}.")
    _line(out, f"\n{_sum(standings)}")


def _cells(difference: Drift | Surplus | None) -> tuple[str, ...]:
    return ("", "", "") if difference is None else (difference.property, difference.wanted, difference.found)


def _print_fixes(out: Console, standings: Sequence[Standing], said: Collection[str]) -> None:
    """Print the fixes, but for the properties in `said`, of which all has been said."""
    for each in standings:
        for drift in each.drift:
            if drift.property in said:
                continue
            _line(out, f"\n{each.wanted.topic}, {drift.property}{f': {drift.note}' if drift.note else ''}")
            _line(out, f"  fix: {drift.fix}")
    if any(each.state == "missing" for each in standings):
        _line(out, "\nmissing\n  fix: run this again with --create, or create them as their files say")


def _print_surpluses(out: Console, standings: Sequence[Standing]) -> None:
    for each in standings:
        for surplus in each.surplus:
            _line(out, f"\n{each.wanted.topic}, {surplus.property}: more than its file says, and no fault: {surplus.note}")


def _sum(standings: Sequence[Standing]) -> str:
    counts = {state: sum(each.state == state for each in standings) for state in STYLES}
    more = sum(each.state == "ok" and bool(each.surplus) for each in standings)
    if counts["ok"] - more == len(standings):
        return f"{len(standings)} topics, all as their files say."
    said = [f"{counts['ok'] - more} as their files say", f"{counts['missing']} missing", f"{counts['drift']} with drift"]
    if more:
        said.insert(1, f"{more} with more")
    return f"{len(standings)} topics: {', '.join(said)}."


def _line(out: Console, line: str) -> None:
    """Print the line unbroken, so that a command can be copied."""
    out.print(Text(line), soft_wrap=True)
