"""Factor models of risk: descriptors, regressions, covariances of factors, specific risk; nothing here chooses weights."""
