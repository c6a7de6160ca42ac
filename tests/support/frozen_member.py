"""`python -m tests.support.frozen_member SETTINGS`: a member of a group that is stopped and wakes, and what it then takes itself for.

Writes `joined` once it is a member, and after its first standstill of STILL_S and the rejoining that follows how often it was asked in
between whether it is a member, and how often it said yes.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Collection, Mapping

from tocsin.kafka.source import KafkaSource
from tocsin.kafka.types import CommittedOffset, TopicPartition
from tocsin.settings import KafkaSettings

from tests.support.buses import Member

STILL_S = 2.0
"""No pause of a healthy process is as long."""
ASKED_EVERY_S = 0.0005


class _Rejoining(Member):
    """Knows whether the group has given it partitions since it woke."""

    woke = False
    rejoined = False

    def on_assigned(self, kept: Collection[TopicPartition], new: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        super().on_assigned(kept, new)
        self.rejoined = self.woke


def _ask(source: KafkaSource, member: _Rejoining) -> None:
    asked = said_yes = 0
    before = time.monotonic()
    while not member.rejoined:
        at = time.monotonic()
        member.woke = member.woke or at - before > STILL_S
        before = at
        if member.woke:
            asked += 1
            said_yes += source.is_member() and not member.rejoined
        time.sleep(ASKED_EVERY_S)
    print(json.dumps({"asked": asked, "said_yes": said_yes}), flush=True)


def main(settings: str) -> None:
    """Run until the member has rejoined."""
    source = KafkaSource(KafkaSettings.model_validate_json(settings))
    member = _Rejoining(source)
    while not source.is_member():
        member.poll()
    asking = threading.Thread(target=_ask, args=(source, member))
    asking.start()
    print("joined", flush=True)
    while asking.is_alive():
        member.poll()
    member.close()


if __name__ == "__main__":
    main(sys.argv[1])
