"""Where the portfolios of a stage are computed: split into shards, on one core, on several, or on a cluster."""
