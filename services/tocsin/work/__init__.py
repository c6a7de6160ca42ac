"""What is long, scheduled or fanned out, by Celery: its processes; knows no use case."""
