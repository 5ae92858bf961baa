"""The factor model of a pack: what it is fitted on, the fit, its rows and the model as recorded; no estimate but it."""
