"""The chart, and what is generated into it."""
