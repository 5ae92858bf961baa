"""What all stages share: partitions, one version a portfolio, what Dagster shows, the checks of data."""
