"""What the model may call: schemas, runners in both dialects, limits."""
