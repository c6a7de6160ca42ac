"""A go-live report: what an evaluation has shown, in sentences, tables and plots."""
