"""Dagster's record of runs: how it is stored, which runs died, what is told of one that failed, and how often a day was tried; not what they do."""
