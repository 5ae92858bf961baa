"""Limits on shares of the variance: what they say, and the convex parts of what they allow."""
