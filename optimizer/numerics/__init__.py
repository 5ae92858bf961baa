"""Linear algebra and small convex programs (LP, QP, block pivoting); nothing here knows what a portfolio is."""
