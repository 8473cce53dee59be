"""Who may do what: API keys, signed tokens, origins, limits. Knows no route."""
