"""All that reaches into the private parts of kafka-python's producer, as `patches` does into the consumer's: how it comes to its id.

kafka-python gives its id up when a record that was on its way expires (the broker froze, or died in mid-request), and asks for another in
its first state alone, to which it never returns: it would send nothing for the rest of its life. What is queued at that moment fails with
the record: else it would go out later, whatever its sender has done about it meanwhile.

A request for an id that is not answered in time (the broker froze with it) ends a producer of kafka-python's for good, where one whose
connection broke is sent again.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, RetriableError
from kafka.producer.transaction_manager import TransactionState


def renew_lost_ids(producer: KafkaProducer) -> None:
    """Has the producer get a new id where it has given one up, however often it has to ask.

    What was queued under the id that was given up fails.
    """
    manager, accumulator = producer._transaction_manager, producer._accumulator
    give_up, enqueue = manager.reset_producer_id, manager._enqueue_request

    def give_up_and_ask_anew() -> None:
        with manager._lock:
            give_up()
            if manager._current_state is TransactionState.READY:
                manager._current_state = TransactionState.UNINITIALIZED
        _fail_queued(accumulator)

    manager.reset_producer_id = give_up_and_ask_anew
    manager._enqueue_request = lambda request: enqueue(_asked_until_answered(request))


def _asked_until_answered(request: Any) -> Any:
    """The request; kafka-python sends it again after a pause where it takes its connection for broken."""

    def answered(number: int, answer: Any) -> None:
        late = isinstance(answer, RetriableError)
        type(request).on_complete(request, number, KafkaConnectionError(str(answer)) if late else answer)

    request.on_complete = answered
    return request


def _fail_queued(accumulator: Any) -> None:
    """Fails all that is queued; kafka-python's `abort_undrained_batches` would leave batches that have been tried before."""
    for batch in accumulator._incomplete.all():
        with accumulator._tp_lock(batch.topic_partition):
            queue = accumulator._batches[batch.topic_partition]
            queued = batch in queue
            if queued:
                batch.records.close()
                queue.remove(batch)
        if queued:
            batch.abort(KafkaTimeoutError("the producer lost its id"))
            accumulator.deallocate(batch)


def has_id(producer: KafkaProducer) -> bool:
    """Whether the producer has an id; what it queues without one it sends once it has one."""
    return bool(producer._transaction_manager.has_producer_id())
