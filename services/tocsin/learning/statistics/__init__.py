"""Pure statistics over numpy and scipy; each function names its source."""
