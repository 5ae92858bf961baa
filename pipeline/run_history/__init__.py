"""Dagster's record of runs: how it is stored, which died or failed and why, and how often a day was tried; not what
they do."""
