"""Stage five: what the clinician reads, written into the record and announced on the bus."""
