"""A process that takes one verdict, as `tocsin serve` does, and may be killed at any moment of it: verdict on standard input."""

from __future__ import annotations

import sys
from contextlib import closing

from tocsin.bootstrap.review import desk
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import read_card
from tocsin.review.types import Verdict
from tocsin.settings import read_settings


def main() -> None:
    settings = read_settings()
    decided = Verdict.model_validate_json(sys.stdin.buffer.read())
    with closing(KafkaSink(settings.kafka)) as sink:
        print(desk(settings, read_card(settings.model.card), sink).submit(decided).state.value)


if __name__ == "__main__":
    main()
