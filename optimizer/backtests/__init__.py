"""Policies replayed through the past, each day on what was known then; nothing of a later day may enter."""
