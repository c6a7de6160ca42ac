"""Tools that take the figures of the reference model's card; each says with --help what it measures."""
