"""Disputed pictures: an open dead letter doubts whose they are, and only a person's decision brings them back to be judged.

Such a dead letter is open until a person replays or closes it. Whatever announces pictures by
itself (backfill, reconciliation, redrive) or in bulk (`tocsin replay`) leaves such pictures out meanwhile: their Media may well name the
wrong patient. A replay that is refused again is a new dead letter, and so a new question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from tocsin.deadletter.closure import closed
from tocsin.deadletter.letters import Letter, letters
from tocsin.deadletter.replay import replayed
from tocsin.errors import ContractError, IdentityUnsafe, ReportOfAnother, refusals
from tocsin.kafka.ports import TopicReader
from tocsin.settings import KafkaSettings

DISPUTING: Final = frozenset(each.reason for root in (IdentityUnsafe, ReportOfAnother) for each in refusals(root))
"""Reasons of a dead letter that doubts whose picture it is."""

MEDIA_MAX: Final = 50_000
"""Most disputed Media held in memory, about 10 MB; where there are more, a source of events is broken and a person has to act."""

NAMED_MAX: Final = 20
"""Most references named in one line."""

ADVICE: Final = (
    "Find out whose picture each is (`tocsin dead-letters --media ID`), correct what is wrong, then replay the dead letter "
    "(`tocsin replay --id ID --yes`) or close it (`tocsin dead-letters --close ID --yes`)."
)


def is_disputing(letter: Letter) -> bool:
    """Whether the letter doubts whose picture it is."""
    return letter.dead.reason in DISPUTING


def open_disputes(
    reader: TopicReader, topics: KafkaSettings, media: Collection[str] | None = None, *, media_max: int = MEDIA_MAX
) -> dict[str, str]:
    """Disputed Media among `media` (references; None: all), each with the id of its first open dead letter.

    What a person replayed or closed is read first, so that a letter released meanwhile still counts: a picture held too long harms nobody.
    In memory are one letter at a time and the Media found. Raises ContractError (Stop) where all are asked for and there are more than
    `media_max`, and as TopicReader.read does. A letter counts for as long as its topic keeps it.
    """
    if media is not None and not media:
        return {}
    released = _released(reader, topics.topic_replays)
    found: dict[str, str] = {}
    for letter in letters(reader, topics.topic_dead_letters, reasons=DISPUTING):
        event = letter.event if is_disputing(letter) and released.get(str(letter.position)) != letter.dead.last_failed_at else None
        if event is not None and event.media not in found and (media is None or event.media in media):
            found[event.media] = letter.id
            if media is None and len(found) > media_max:
                raise ContractError(
                    f"more than {media_max} Media have an open dead letter that doubts whose picture they are: nothing is announced or "
                    "replayed before their source is mended (`tocsin dead-letters --count`) and the letters are replayed or closed"
                )
    return found


def told(disputed: Mapping[str, str]) -> str:
    """The disputed Media with the ids of their letters, as text; at most NAMED_MAX of them."""
    return some(f"{media} ({letter})" for media, letter in sorted(disputed.items()))


def some(references: Iterable[str]) -> str:
    """At most NAMED_MAX of the references as text, and how many more there are."""
    every = list(references)
    more = len(every) - NAMED_MAX
    return ", ".join(every[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _released(reader: TopicReader, topic_replays: str) -> dict[str, datetime]:
    """Position of a letter that a person replayed or closed -> when its event had failed last."""
    by_replay = {name: each.failed_at for name, each in replayed(reader, topic_replays).items() if each.by == "operator"}
    return by_replay | {name: each.failed_at for name, each in closed(reader, topic_replays).items()}
