"""Stage five: writes the report that a clinician reads into the FHIR server, and announces it on Kafka."""
