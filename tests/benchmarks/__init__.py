"""What Tocsin costs: CPU per event and ratios to a baseline of the same run. Nothing here asserts a time."""
