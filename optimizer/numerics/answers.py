"""What solvers return, and how they say that they have nothing to return."""

from dataclasses import dataclass

from optimizer.typing import Array


@dataclass(frozen=True)
class Answer:
    """What a solver returned: x (p,), multipliers of the rows (m,), the solver's name, and whether none exists."""

    x: Array
    multipliers: Array
    solver: str


class NoAnswerError(Exception):
    """The solver stopped without an optimum; `infeasible` when it found that no point is allowed.

    iterations  what a mixed-integer program took of the simplex method
    """

    def __init__(self, solver: str, status: str, *, infeasible: bool, iterations: int = 0) -> None:
        super().__init__(f"{solver}: {status}")
        self.infeasible, self.iterations = infeasible, iterations
