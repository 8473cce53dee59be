"""One module per version of the tables. Never change one that was released."""
