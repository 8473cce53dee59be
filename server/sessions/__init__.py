"""Sessions: which exist, who may join, when they end."""
