"""From a problem to certified weights: fast algorithms, general solver, audit; nothing here knows whole shares."""
