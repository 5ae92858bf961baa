"""Limits on shares of the variance, which are not convex: the search within convex parts, and the bound on it."""
