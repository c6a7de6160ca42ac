"""Tocsin: imaging events on a hospital's Kafka bus become FHIR risk flags a clinician can check, correct and withdraw."""
