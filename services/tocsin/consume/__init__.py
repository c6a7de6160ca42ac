"""Brings every record to one durable ending before its offset is committed; knows no stage."""
