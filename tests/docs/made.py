"""Parts of documents that are made from the code, so that they are current: `.venv/bin/python -m tests.docs.made` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

from tocsin.errors import Refused, reasons, refusals
from tocsin.kafka.preflight import NEEDED, NEEDED_ON_GROUP, Role, rights_of
from tocsin.kafka.topics import Topic, read_topics
from tocsin.packaged import TOPICS, packaged
from tocsin.settings import KafkaSettings

DEPLOY: Final = Path(__file__).parents[2] / "deploy"


def main() -> None:
    """Write every made part into its document."""
    for document, name in PARTS:
        document.write_text(with_part(document.read_text("utf-8"), name, PARTS[document, name]()), "utf-8")


def with_part(text: str, name: str, part: str) -> str:
    """The document's text with this part between its marks, `# made: NAME` or `<!-- made: NAME -->` and the same with `end`."""
    marks = re.compile(rf"(^(?:<!-- |# )made: {name}(?: -->)?\n).*?(^(?:<!-- |# )end(?: -->)?$)", re.MULTILINE | re.DOTALL)
    made, count = marks.subn(lambda found: found[1] + part + found[2], text)
    assert count == 1, f"no place for {name}"
    return made


def topics_table() -> str:
    """A row for each topic."""
    return _HEAD_OF_TOPICS + "".join(_topic_row(topic) for topic in read_topics(packaged(TOPICS)))


_HEAD_OF_TOPICS: Final = "| topic | who writes | who reads | key | partitions | kept | cleanup |\n|---|---|---|---|---|---|---|\n"


def _topic_row(topic: Topic) -> str:
    kept = topic.config.get("retention.ms")
    cells = [
        f"`{topic.topic}`",
        ", ".join(topic.producers),
        ", ".join(topic.consumers),
        topic.key.partition(";")[0].replace("<id>", "ID"),
        str(topic.partitions),
        "for good, the last word on each key" if kept is None else f"{int(kept) // 86_400_000} days",
        f"`{topic.config['cleanup.policy']}`",
    ]
    return f"| {' | '.join(cells)} |\n"


def acl_lines() -> str:
    """A line of kafka-acls for each user and set of rights."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    every = dict.fromkeys(NEEDED, ("Create", "DescribeConfigs", "Read"))
    yield from _of_user("tocsin-setup", every, ())
    for role in get_args(Role):
        needed = {setting: tuple(right.capitalize() for right in rights_of(role, rights)) for setting, rights in NEEDED.items()}
        yield from _of_user(f"tocsin-{role}", needed, tuple(right.capitalize() for right in rights_of(role, NEEDED_ON_GROUP)))
    yield from _of_user("imaging-gateway", {"topic_imaging": ("Write",)}, ())
    yield _acl("worklist", ("Read",), "--topic tocsin.flags.v1 --group worklist")
    yield ""


def _of_user(user: str, needed: Mapping[str, tuple[str, ...]], on_group: tuple[str, ...]) -> Iterator[str]:
    def rights(setting: str) -> tuple[str, ...]:
        return tuple(sorted(needed[setting]))

    for wanted, settings in groupby(sorted(filter(rights, needed), key=rights), key=rights):
        names = " ".join(f"--topic {KafkaSettings.model_fields[setting].default}" for setting in settings)
        yield _acl(user, wanted, names)
    if on_group:
        yield _acl(user, on_group, f"--group {KafkaSettings.model_fields['group_id'].default}")


def _acl(user: str, rights: tuple[str, ...], on: str) -> str:
    return f"acls --allow-principal User:{user} {' '.join(f'--operation {right}' for right in rights)} {on}"


def reasons_table() -> str:
    """A row for each reason of a dead letter."""
    kinds = {kind.reason: kind for kind in refusals() if kind.reason in reasons()}
    return _HEAD_OF_REASONS + "".join(_reason_row(kinds[reason]) for reason in sorted(kinds))


_HEAD_OF_REASONS: Final = "| reason | class | means | do |\n|---|---|---|---|\n"


def _reason_row(kind: type[Refused]) -> str:
    return f"| `{kind.reason}` | {kind.kind} | {' '.join((kind.__doc__ or '').split())} | {kind.advice} |\n"


PARTS: Final[Mapping[tuple[Path, str], Callable[[], str]]] = {
    (DEPLOY / "topics-and-acls.md", "topics"): topics_table,
    (DEPLOY / "topics-and-acls.md", "rights"): acl_lines,
    (DEPLOY / "reasons.md", "reasons"): reasons_table,
}
"""Document and name of the part -> what makes it."""


if __name__ == "__main__":
    main()
