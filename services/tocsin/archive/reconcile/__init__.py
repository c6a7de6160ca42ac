"""The record compared with the bus, and what fell between them mended."""
