"""FHIR resources of a report, made and read: pure."""
