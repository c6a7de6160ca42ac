"""Celery's processes, which do what is long, scheduled or fanned out; this package knows no use case."""
