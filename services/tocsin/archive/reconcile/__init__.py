"""Compares the record with the bus and mends the gaps between them."""
