"""`tocsin serve`: the pages and hooks by which clinicians meet flags; HTTP alone, every rule stands in `review`."""
