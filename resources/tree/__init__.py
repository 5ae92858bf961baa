"""The Merkle tree over the rows of the ledger: its hashes, its proofs, and the file that keeps its nodes."""
