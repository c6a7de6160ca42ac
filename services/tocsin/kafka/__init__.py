"""The hospital's bus, and the only importer of kafka-python."""
