"""A special algorithm for each kind of goal, without a modelling layer; its caller audits every answer."""
