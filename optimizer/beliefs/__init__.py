"""From returns and views to expected returns and covariances; nothing here knows a limit or a weight to choose."""
