"""HTTP: parse, call, answer. No logic of its own."""
