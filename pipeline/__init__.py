"""The wiring: jobs, schedules, sensors, the command line; no arithmetic."""
