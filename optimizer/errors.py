"""Errors grouped by who can act on them; each message says what is, what must be, and what to do."""

from dataclasses import dataclass


class PackfolioError(Exception):
    """Base of every error that Packfolio raises on purpose.

    >>> issubclass(PolicyError, PackfolioError)
    True
    """


class PolicyError(PackfolioError, ValueError):
    """The policy, a view or an argument is wrong; its author must act (HTTP 422).

    >>> try:
    ...     Policy(max_weight=2.0, min_weight=3.0)
    ... except PolicyError as error:
    ...     print(type(error).__name__)
    PolicyError
    """


class DataError(PackfolioError, ValueError):
    """Prices, rates or estimates are wrong or missing; their supplier must act (HTTP 409).

    >>> try:
    ...     performance.total_return(np.array([np.nan]))
    ... except DataError as error:
    ...     print(error)
    total_return: returns holds nan; each must be a finite number: fill or drop it
    """


@dataclass(frozen=True)
class Conflict:
    """One limit of a conflicting set, and the least change of it that would resolve the conflict.

    limit       name of the limit, as in the policy ("max_weight AAPL", "max_turnover")
    bound       its value now
    relaxation  by how much it must give way if the others of the set stay, in the limit's own unit; infinite where
                that does not help (a cap on names of which too few exist)
    enough      whether all limits of the policy can hold then; False where others conflict as well

    >>> Conflict('max_weight', 0.2, 0.14).limit
    'max_weight'
    """

    limit: str
    bound: float
    relaxation: float
    enough: bool = True

    def __str__(self) -> str:
        return f"{self.limit} is {self.bound:g} and must give way by {self.relaxation:.4g}"


class InfeasibleError(PackfolioError):
    """The limits contradict each other; someone must relax one of those named (HTTP 409).

    >>> try:
    ...     solve(estimates, Policy(method='min_volatility', max_weight=0.2), universe)
    ... except InfeasibleError as error:
    ...     print(len(error.conflicts) > 0)
    True
    """

    def __init__(self, message: str, conflicts: tuple[Conflict, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class SolverError(PackfolioError):
    """No solver gave an answer that its certificate confirms; we must act (HTTP 500).

    >>> issubclass(SolverError, PackfolioError)
    True
    """
