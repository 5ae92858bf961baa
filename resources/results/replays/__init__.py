"""A strategy replayed on what a pack knew: inputs as known on each day, checkpoints, sweeps; nothing here writes."""
