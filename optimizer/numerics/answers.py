"""What solvers return, and how they say that they have nothing to return."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from optimizer.errors import SolverError
from optimizer.typing import Array

P = ParamSpec("P")
R = TypeVar("R")


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


def verdict_needed(function: Callable[P, R]) -> Callable[P, R]:
    """For what public functions do to their end: a solver without a verdict leaves it as a SolverError."""

    @wraps(function)
    def guarded(*args: P.args, **named: P.kwargs) -> R:
        try:
            return function(*args, **named)
        except NoAnswerError as stop:
            raise without_verdict(stop) from stop

    return guarded


def without_verdict(stop: NoAnswerError) -> SolverError:
    """What a public function says of a solver that found neither an answer nor that there is none."""
    return SolverError(
        f"what the limits allow could not be found out, as a solver ended without a verdict ({stop}); report the "
        f"policy and the estimates"
    )
