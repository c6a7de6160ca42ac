"""The same job as one good engineer writes it on another framework: what Tocsin is compared with, and nothing of the product."""
