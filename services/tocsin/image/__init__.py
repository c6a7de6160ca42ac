"""Stage two: the picture an event names, fetched, verified and decoded."""
