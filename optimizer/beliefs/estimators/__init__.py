"""Estimators of return and risk, one file a family."""
