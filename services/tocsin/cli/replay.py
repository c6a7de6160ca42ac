"""tocsin replay: puts refused events back on their topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
import typer

from tocsin.archive.announce import Pace
from tocsin.bootstrap import bus as bootstrap
from tocsin.bootstrap.telemetry import counted
from tocsin.cli.dead_letter_options import STYLES, Found, Ids, Kinds, Media, Reasons, Shelf, Since, Until, wanted
from tocsin.clock import utc_now
from tocsin.deadletter.disputes import is_disputing, open_disputes
from tocsin.deadletter.letters import Wanted
from tocsin.deadletter.replay import Barred, barred, destination
from tocsin.deadletter.replay import replay as replay_one
from tocsin.kafka.ports import EventSink
from tocsin.settings import KafkaSettings, read_settings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import console, print_columns, progress, say

ROWS_MAX: Final = 100
"""Most rows of the table; --json tells of all."""

ALREADY: Final = "already"
CLOSED: Final = "closed"
DISPUTED: Final = "disputed"
POISON: Final = "poison"
WHY: Final = {
    ALREADY: "left out: replayed since it was refused; --again replays it once more",
    CLOSED: "left out: closed by a person; --again replays it all the same",
    DISPUTED: "left out: another open dead letter doubts whose picture it is; replay or close that one first",
    POISON: "left out: the process died over it; --class poison or --id replays it all the same",
    Barred.CAP: "refused: replayed TOCSIN_REPLAY__REPLAYS_MAX times",
    Barred.NO_VALUE: "refused: the record has no value and never was an event",
    Barred.GONE: "refused: the record was too large for its dead letter and no longer stands on its topic; publish the event again",
    Barred.TOO_LARGE: "refused: no record of this size is taken; raise max.message.bytes and TOCSIN_KAFKA__SEND_BYTES_MAX",
}

Everything = Annotated[bool, typer.Option("--all", help="Every dead letter; required where no filter is given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without --yes, only print what would be done.")]
Again = Annotated[bool, typer.Option("--again", help="Also those that were replayed or closed since they were refused.")]
PerSecond = Annotated[float, typer.Option("--per-second", metavar="N", min=0.1, help="Most replays a second.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a dead letter, and a last one with the totals.")]


def replay(
    reasons: Reasons = None,
    kinds: Kinds = None,
    since: Since = None,
    until: Until = None,
    media: Media = None,
    ids: Ids = None,
    everything: Everything = False,
    yes: Yes = False,
    again: Again = False,
    per_second: PerSecond = 20.0,
    as_json: AsJson = False,
) -> None:
    """Put refused events back on the topic they came from, unchanged; a dry run unless --yes is given.

    Correct what was wrong first (`tocsin dead-letters --show ID` says what to do), else the same dead letter comes back. Headers stay as
    they were, but for those of the old trace; two are added: tocsin-replays counts the replays of the event, tocsin-replay-of names the
    dead letter. A report that stands already is not written twice.

    Example: after the server that held the pictures is back:

    tocsin replay --reason attempts-exhausted --since 2h --yes

    Left out: what was replayed or closed since it was refused (unless --again); what is about a Media while another open dead letter
    doubts whose picture it is; and poison, over which the process died (unless --class poison or its --id is given). Refused: an event
    that was replayed TOCSIN_REPLAY__REPLAYS_MAX times, and one without a value.

    Replays are counted (tocsin_replays_total, by="operator") where metrics go by OTLP (TOCSIN_OTLP__SIGNALS): Prometheus cannot ask a
    command. What was replayed, when and by whom, `tocsin dead-letters --replayed` lists in any case.

    Exit codes: 0 done, or a dry run; 1 some were refused; 2 the options make no sense; 75 the broker is away (the totals say how many
    had been replayed; run it again); 76 a topic is missing or the broker refuses; 78 a setting is wrong.
    """
    quiet_libraries()
    these = wanted(reasons, kinds, since, until, media, ids)
    if these.everything != everything:
        raise typer.BadParameter("give filters, or --all for every dead letter, and not both", param_hint="--all")
    settings = read_settings()
    with closing(bootstrap.topic_reader(settings.kafka)) as reader:
        terms = Terms(these, again, settings.replay.replays_max, open_disputes(reader, settings.kafka))
        shelf = Shelf(reader, settings.kafka)
        account = _planned(shelf, terms)
        if yes:
            with counted(settings, "tocsin-replay"), closing(bootstrap.event_sink(settings.kafka)) as sink:
                account = _replay(shelf, sink, terms, account.due, Pace(per_second), as_json)
        else:
            account.tell(as_json)
    shelf.say_left_out()
    if yes and account.refused:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator asked for, and which Media are disputed."""

    these: Wanted
    again: bool
    replays_max: int
    disputed: Mapping[str, str]
    """Media with an open dead letter that doubts whose pictures they are -> that letter's id."""

    def why_not(self, found: Found) -> str | None:
        """Why this dead letter is not replayed; None where it is."""
        letter = found.letter
        if found.earlier is not None and not self.again:
            return ALREADY
        if found.closure is not None and not self.again:
            return CLOSED
        if not is_disputing(letter) and letter.event is not None and letter.event.media in self.disputed:
            return DISPUTED
        if letter.dead.kind == "poison" and "poison" not in self.these.kinds and letter.id not in self.these.ids:
            return POISON
        return barred(letter, found.earlier, self.replays_max)


@dataclass(slots=True)
class Account:
    """What a replay or a dry run did with each dead letter, without any content."""

    topics: KafkaSettings
    disputed: Mapping[str, str]
    """As Terms has it."""
    dry: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str | None] = field(default_factory=Counter)
    """How many dead letters were not replayed, by the reason why not; None: those that were."""

    @property
    def due(self) -> int:
        """How many dead letters are replayed."""
        return self.counts[None]

    @property
    def refused(self) -> int:
        """How many dead letters can never be replayed."""
        return sum(self.counts[why] for why in Barred)

    @property
    def _done(self) -> str:
        """The key that tells of a replay: a dry run never says that it replayed anything."""
        return "would_replay" if self.dry else "replayed"

    def add(self, found: Found, why: str | None) -> None:
        """Add a dead letter, which is replayed unless there is a `why`."""
        self.counts[why] += 1
        row, to = found.row, destination(found.letter, self.topics) if why is None else None
        by = self.disputed[row["media"]] if why == DISPUTED else None
        self.rows.append({**row, self._done: why is None, "why_not": why, "disputed_by": by, "to": to})

    def tell(self, as_json: bool) -> None:
        """Print the rows, then the totals."""
        if as_json:
            totals = {"dry_run": self.dry, self._done: self.due, **{str(why): self.counts[why] for why in WHY}}
            for line in (*self.rows, totals):
                typer.echo(orjson.dumps(line).decode())
            return
        self._tell_table()

    def _tell_table(self) -> None:
        out = console()
        shown = self.rows[-ROWS_MAX:]
        names = ("id", "class", "reason", "replays", "media")
        cells = [[*("-" if row[name] is None else str(row[name]) for name in names), self._ending(row)] for row in shown]
        print_columns(out, ("ID", "CLASS", "REASON", "REPLAYS", "MEDIA", "REPLAY"), cells, [STYLES[row["class"]] for row in shown])
        if len(self.rows) > len(shown):
            say(f"{len(self.rows) - len(shown)} rows before these are left out; --json has all")
        typer.echo(f"\n{self.due} {'would be replayed' if self.dry else 'replayed'}.")
        for why, meaning in WHY.items():
            if self.counts[why]:
                typer.echo(f"{self.counts[why]} {meaning}.")
        if self.dry and self.due:
            typer.echo("Nothing was sent. Run it again with --yes to do it.")

    def _ending(self, row: Mapping[str, Any]) -> str:
        """Where the dead letter goes, or why it is not replayed."""
        if row["why_not"] is None:
            return f"{'would go to' if self.dry else 'went to'} {row['to']}"
        return f"{row['why_not']} by {row['disputed_by']}" if row["disputed_by"] else str(row["why_not"])


def _planned(shelf: Shelf, terms: Terms) -> Account:
    plan = Account(shelf.topics, terms.disputed, dry=True)
    with progress().step(f"reading {shelf.topics.topic_dead_letters}"):
        for found in shelf.find(terms.these):
            plan.add(found, terms.why_not(found))
    return plan


def _replay(shelf: Shelf, sink: EventSink, terms: Terms, due: int, pace: Pace, as_json: bool) -> Account:
    """Replay the due dead letters; what was done is told even where it is cut short."""
    account = Account(shelf.topics, terms.disputed, dry=False)
    try:
        with progress().step("replaying", total=due) as step:
            for found in shelf.find(terms.these):
                why = terms.why_not(found)
                if why is None:
                    pace.wait()
                    why = _replayed(shelf, sink, found, terms)
                    step.advance(1)
                account.add(found, why)
    finally:
        account.tell(as_json)
    return account


def _replayed(shelf: Shelf, sink: EventSink, found: Found, terms: Terms) -> Barred | None:
    topics, cap = shelf.topics, terms.replays_max
    ending = replay_one(shelf.reader, sink, found.letter, found.earlier, topics=topics, replays_max=cap, now=utc_now(), by="operator")
    return ending if isinstance(ending, Barred) else None
