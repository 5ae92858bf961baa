"""Positions as brokers export them, read into holdings; pure text in, plain values out, and nothing is guessed."""
