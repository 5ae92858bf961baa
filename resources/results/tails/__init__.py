"""What books may lose, what they then did lose, and whether the first foretold the second."""
