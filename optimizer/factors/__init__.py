"""Factor models of risk: exposures, regressions, covariances, specific risk; nothing here chooses weights."""
