"""Parameters and examples of which the default run takes a few, and the slow run all."""

import os
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

THOROUGH = 16  # times as many examples in `make test-slow`


def some(values: Iterable[Any], by_default: int) -> list[Any]:
    """All the values; those after the first `by_default` are for the slow run."""
    return [
        value if place < by_default else pytest.param(value, marks=pytest.mark.slow)
        for place, value in enumerate(values)
    ]


def each_once(first: Iterable[Any], second: Iterable[Any]) -> list[Any]:
    """All pairs (a, b); by default as many as let every a and every b come up, the others in the slow run."""
    ones, others = list(first), list(second)
    most = max(len(ones), len(others))
    wanted = {(place % len(ones), place % len(others)) for place in range(most)}
    return [
        pytest.param(a, b, marks=() if (i, j) in wanted else pytest.mark.slow)
        for i, a in enumerate(ones)
        for j, b in enumerate(others)
    ]


def examples(by_default: int, **more: Any) -> settings:
    """So many examples of a property by default, and `THOROUGH` times as many in the slow run."""
    often = THOROUGH if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1
    return settings(max_examples=often * by_default, **{"deadline": None, **more})
