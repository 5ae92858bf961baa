"""What mixed-integer programs over choices of names may take: iterations, and not seconds."""

# x names, as each takes longer the more there are: a few seconds of a report.
ITERATIONS, FEWEST = 800_000, 12


class ProgramWork:
    """How many iterations of the simplex method a report, or a search by priority, may still take: unlike seconds, the
    same everywhere.

    short  what there was not enough of to end a search; "" where all were ended
    """

    def __init__(self, names: int) -> None:
        self.allowed = self.left = ITERATIONS // max(names, FEWEST)
        self.short = ""
