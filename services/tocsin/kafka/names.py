"""Header names of any bytes.

Kafka's protocol says that a header's name is text in UTF-8, and no broker checks it. kafka-python calls a record that breaks the rule
corrupt, and can then neither say which one it is nor step over it: one such record would stop its partition for everybody. Nothing of
ours depends on a foreign header's name, so that such a name is read with its bad bytes escaped (`\\xff`) and the record is like any other.
"""

from __future__ import annotations

from typing import Any

from kafka.record.default_records import DefaultRecordBatch


def any_name(batch: DefaultRecordBatch) -> DefaultRecordBatch:
    """The batch, of which nothing has been read yet, taught to read records whose header names are not UTF-8."""
    assert type(batch) is DefaultRecordBatch, "this kafka-python is not the one that was verified"
    batch.__class__ = _Batch
    return batch


class _Batch(DefaultRecordBatch):  # type: ignore[misc] # kafka-python ships no types
    __slots__ = ()

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:  # it has not moved on yet
            self._buffer = _Lenient(self._buffer)  # type: ignore[misc, has-type] # a slot of kafka-python's class
            return super()._read_msg()


class _Lenient(bytearray):
    """Bytes whose slices are never refused as text."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
