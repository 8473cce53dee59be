"""What a run found, as data and as text. Rendered from the JSON alone."""
