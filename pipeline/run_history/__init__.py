"""Dagster's record of runs: how it is stored, which runs died, and how often a day was tried; not what they do."""
