"""Estimates of return and risk under a pack: made, checked, kept as rows, and read back."""
