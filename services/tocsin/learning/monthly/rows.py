"""Flags beside what was said of their pictures -> lines like those of a file of scores, a line for each picture that was judged. Pure.

Scores are as they were reported, on the scale of the site file that was in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tocsin.learning.flagged import joined
from tocsin.learning.labels_bus import OfMedia
from tocsin.learning.types import Scored
from tocsin.learning.watch.origins import ELSEWHERE, Origin
from tocsin.report.flag import Flag


def rows_of(flags: Mapping[str, Flag], labels: Iterable[OfMedia]) -> Iterator[Scored]:
    """Each flag's picture with its score, or why it has none, and its label where it has one, by the order of their references.

    `flags`: Media -> the flag that holds. What belongs to it is as in `flagged.joined`.
    """
    said = {each.media: each for each in labels}
    for media, flag in sorted(flags.items()):
        yield replace(joined(flag, said.get(media)), score=flag.probability)


def with_groups(rows: Iterable[Scored], origins: Mapping[str, Origin]) -> Iterator[Scored]:
    """The rows with device and body site, where the record says them."""
    for row in rows:
        origin = origins.get(row.picture)
        words = {} if origin is None else {"device": origin.device, "body site": origin.region.replace(ELSEWHERE, "")}
        yield replace(row, groups={**row.groups, **{name: word for name, word in words.items() if word}})
