"""Quadratic programs by block pivoting, and the equations of each of its guesses."""
