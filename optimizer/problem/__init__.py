"""From policy and estimates to a problem: a function a limit, a function a method; nothing here solves it."""
