"""Several consumers on one machine that are started, watched and stopped as one."""
