"""Proofs that leave the house: made from the warehouse, checked without it by the one file `check_proof.py`."""
