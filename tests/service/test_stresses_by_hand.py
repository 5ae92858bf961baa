"""Which scenarios are asked for, and of which books hedges of factors are."""

from types import SimpleNamespace
from typing import Any

import pytest

from optimizer import PolicyError
from service import stresses


class AskedError(Exception):
    """The plan was asked for."""


def test_custom_shocks_and_custom_factors_are_one_scenario_each() -> None:
    books: Any = SimpleNamespace(require=lambda file: None, scenarios={"known": "the known one"})
    shocks, factors = stresses.chosen_scenarios(books, None, {"equity": -0.2}, {"market": -0.1})
    assert (shocks.id, shocks.shocks, factors.id, factors.factors) == (
        "custom", {"equity": -0.2}, "custom_factors", {"market": -0.1},
    )  # fmt: skip
    assert stresses.chosen_scenarios(books, None, None) == ["the known one"]


@pytest.mark.parametrize(
    ("nav", "values", "error"),
    [(0.5, {"A": 0.5}, AskedError), (0.0, {"A": 0.5}, PolicyError), (0.5, {}, PolicyError)],
)
def test_a_small_book_is_hedged_and_an_empty_one_refused(
    nav: float, values: dict[str, float], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(model: Any, held: dict[str, float], *others: Any, **more: Any) -> None:
        assert held == {"A": 1.0}
        raise AskedError

    monkeypatch.setattr(stresses, "_covering", lambda desk, book: None)
    monkeypatch.setattr(stresses, "plan_factor_hedges", plan)
    named = SimpleNamespace(snapshot=SimpleNamespace(name="book"))
    book: Any = SimpleNamespace(
        nav=nav, values=values, markets={}, case=named, pack=SimpleNamespace(id="PP_2024-01-02")
    )
    with pytest.raises(error):
        stresses.factor_hedges_answer(SimpleNamespace(), book, {}, [])  # type: ignore[arg-type]
