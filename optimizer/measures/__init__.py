"""What weights or returns are worth knowing by: risk, performance, attribution; nothing here chooses weights."""
