"""What is long, scheduled or fanned out: Celery and Redis say when, Kafka and the FHIR server say what."""
