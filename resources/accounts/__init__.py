"""Accounts as rows: their files, what a row can have wrong, and what a pack knows of each."""
