"""Prints flags as they come: python flags.py GROUP [COUNT]. Needs kafka-python, and Tocsin's settings in the environment."""

import json
import os
import sys

from bus import connection
from kafka import KafkaConsumer

REHEARSAL = "urn:tocsin:rehearsal"  # nobody is to act on it
TOPIC = os.environ.get("TOCSIN_KAFKA__TOPIC_FLAGS", "tocsin.flags.v1")


def follow(group: str, count: float) -> None:
    consumer = KafkaConsumer(TOPIC, **connection(), group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    seen = 0
    for record in consumer:
        flag = json.loads(record.value)
        if flag["event_source"] != REHEARSAL:
            show(flag)
            seen += 1
        consumer.commit()  # after the flag was handled, never before
        if seen >= count:
            break
    consumer.close()


def show(flag: dict[str, object]) -> None:
    """Here a worklist stores the flag under its id: it may come again, and of one id the last one holds."""
    if flag["outcome"] == "not-assessable":
        verdict = f"not assessable ({flag['reason']}): nobody has judged it"  # never to be shown as an all-clear
    else:
        verdict = f"{flag['band']}, score {flag['probability']}"
    print(f"{flag['id']}  {flag['subject']}  {flag['media']}  {flag['status']}  {verdict}  {flag['report']}", flush=True)


if __name__ == "__main__":
    follow(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else float("inf"))
