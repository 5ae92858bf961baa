"""Whole lots nearest to the target in other terms than risk."""
