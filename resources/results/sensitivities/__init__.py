"""How holdings move in scenarios, with the factors or as in the past: worked out once for all who share the dates."""
