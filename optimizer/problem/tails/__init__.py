"""Goals and methods on the mean loss of the worst scenarios; plain CVaR itself is a goal beside the others."""
