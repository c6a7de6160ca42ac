"""The FHIR wire every room shares: one client, one mapping of answers to errors, one list of canonical addresses."""
