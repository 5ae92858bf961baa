"""The parts of a policy that are values of their own."""
