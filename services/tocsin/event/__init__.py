"""Stage one: what happened, read from the bus; and what becomes of the record it came in."""
