"""The record: reports found, written and superseded."""
