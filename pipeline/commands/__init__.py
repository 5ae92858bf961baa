"""What each command of the CLI does and prints; no wiring of assets, jobs or schedules."""
