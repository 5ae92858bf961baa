"""Limits that name things: lines of text, and shares of risk."""
