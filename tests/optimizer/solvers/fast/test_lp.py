"""Linear programs by HiGHS: a number that it does not take ends no process, and is no answer."""

from typing import Any

import numpy as np
import pytest

from optimizer.numerics.answers import NoAnswerError
from optimizer.numerics.lp import solve_lp, solve_mixed
from optimizer.numerics.polyhedra import Polyhedron

INF = np.inf
# x + y <= 1 with x, y from 0 on, and what is put in the place of one number of it.
BEYOND = {
    "a least column": (("floor", 1e302), True),
    "an infinite column": (("floor", INF), True),
    "a most column": (("ceiling", -1e302), True),
    "a least row": (("low", 1e302), True),
    "a most row": (("high", -1e302), True),
    "no number": (("floor", np.nan), False),
    "a share": (("rows", 1e302), False),
}


@pytest.mark.parametrize("case", BEYOND)
def test_a_number_that_highs_does_not_take_is_no_answer(case: str) -> None:
    """HiGHS refused the model, was asked to solve what was left of it, and brought the process down."""
    (part, number), infeasible = BEYOND[case]
    parts: dict[str, Any] = {
        "rows": np.ones((1, 2)), "low": np.full(1, -INF), "high": np.ones(1),
        "floor": np.zeros(2), "ceiling": np.full(2, INF), "scale": np.ones(1),
    }  # fmt: skip
    cost = np.array([-1.0, -2.0])
    assert solve_lp(cost, Polyhedron(**parts)).x == pytest.approx([0.0, 1.0], abs=1e-12)
    parts[part][..., 0] = number
    for solve in (
        lambda: solve_lp(cost, Polyhedron(**parts)),
        lambda: solve_mixed(cost, Polyhedron(**parts), np.ones(2, dtype=bool), 1e-9),
    ):
        with pytest.raises(NoAnswerError, match="numbers that it does not take") as stop:
            solve()
        assert stop.value.infeasible is infeasible
