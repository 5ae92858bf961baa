"""The general solvers, one after the other: whose answer is taken."""

import cvxpy as cp
import pytest

from optimizer.numerics.answers import NoAnswerError
from optimizer.solvers.general import climb


def problem() -> cp.Problem:
    x = cp.Variable()
    return cp.Problem(cp.Minimize(x), [x >= 1])


def test_the_next_solver_is_asked_where_an_answer_has_no_scale():
    """Weights were divided by a scale of 0, which ended in a foreign warning and infinite weights."""
    answers = iter([None, "the second's"])
    assert climb(problem(), lambda solver: next(answers)) == "the second's"


def test_no_scale_from_any_solver_is_no_answer():
    with pytest.raises(NoAnswerError) as stop:
        climb(problem(), lambda solver: None)
    assert not stop.value.infeasible
