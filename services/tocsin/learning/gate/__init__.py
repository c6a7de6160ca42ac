"""Trains a site's input gate: pictures -> the network's features -> a linear boundary with its threshold, and what it was shown to do."""
