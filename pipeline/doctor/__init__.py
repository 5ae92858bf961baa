"""What is wrong with this desk's set-up, and what to do about it."""
