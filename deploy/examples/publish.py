"""Publishes one imaging event: python publish.py Media/ID Patient/ID. Needs kafka-python, and Tocsin's settings in the environment."""

import json
import os
import sys
import uuid
from datetime import UTC, datetime

from bus import connection
from kafka import KafkaProducer

TOPIC = os.environ.get("TOCSIN_KAFKA__TOPIC_IMAGING", "imaging.events.v1")


def publish(media: str, subject: str) -> None:
    producer = KafkaProducer(**connection(), acks="all", enable_idempotence=True, retries=10)
    event = {
        "version": 1,
        "id": str(uuid.uuid4()),  # unique within the source; the same one again where the same event is sent again
        "source": "urn:example:dermoscopy-gateway",
        "occurred_at": datetime.now(UTC).isoformat(),  # when it was taken or changed, with an offset from UTC
        "media": media,
        "subject": subject,  # must be the patient whom the Media names
    }
    sent = producer.send(TOPIC, key=subject.encode(), value=json.dumps(event).encode()).get(timeout=30)
    print(f"published {media} at {sent.topic}[{sent.partition}]@{sent.offset}")
    producer.close()


if __name__ == "__main__":
    publish(*sys.argv[1:])
