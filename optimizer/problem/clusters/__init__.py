"""Hierarchical recipes: weights from clusters of names that move alike, and the order of their leaves."""
