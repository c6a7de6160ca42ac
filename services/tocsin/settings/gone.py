"""Variables that an earlier Tocsin understood: a start is refused with what to do instead, so that no value is passed over unheard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.environment import Gone

GONE: Final[Mapping[str, Gone]] = {
    "TOCSIN_RECONCILE__IMAGES_MAX": Gone(
        instead="TOCSIN_RECONCILE__SLICE_MAX", why="a run compares slice by slice and goes on where the last one stopped"
    ),
    "TOCSIN_BACKFILL__SAME_INSTANT_MAX": Gone(instead=None, why="a backfill's step may now end among Media of one time of update"),
}
"""Name -> what became of it. An entry stays for as long as somebody may still set it."""
