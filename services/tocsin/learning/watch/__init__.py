"""Whether what comes in, what is missed and what is overridden is still as the last evaluation found it."""
