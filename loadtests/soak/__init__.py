"""Hours of joining, leaving, muting and losing packets, and what is left of it."""
