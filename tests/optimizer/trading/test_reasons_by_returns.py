"""A change of expected returns as a reason: only where it moved the weight, as solving again without it tells."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from share_lists import book, estimates

from optimizer import CompiledPolicy, Estimates, Mandate, Policy, Universe
from optimizer.proposals.proposal import Beliefs, propose_account
from optimizer.trading.rationale import Move, Reasons, shifts_of

NEUTRAL = {
    "long_only": False, "min_weight": -0.3, "max_weight": 0.3, "max_gross": 2.0, "net_limits": (0.0, 0.0),
    "cash_max": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "limits", "one_in"),
    [(2, {}, None), (8, {}, 12), (8, NEUTRAL, 20)],
    ids=["two", "long", "neutral"],
)
def test_solving_without_the_views_bears_out_what_is_said_of_them(
    names: int, limits: dict[str, Any], one_in: int | None
):
    """Of two names it always does; of more, where other names decide too, but for a few (docs/methods/trades.md)."""
    told = against = 0
    for seed in range(16):
        rng = np.random.default_rng([names, seed])
        sizes = rng.integers(1, 1000, names) * (np.where(np.arange(names) % 2, 1, -1) * 0.2 if limits else 1)
        here, there = with_and_without_views(rng, seed, sizes, limits, neutral=bool(limits))
        told, against = told + len(here), against + int((there < 1e-7).sum())
    assert told > 4 * names
    assert against == 0 if one_in is None else against * one_in <= told


def with_and_without_views(
    rng: np.random.Generator, seed: int, sizes: np.ndarray, limits: dict[str, Any], *, neutral: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Of the trades told by the views their targets, and how far the views moved these the way of the trade."""
    names = len(sizes)
    known = estimates([f"N{place}" for place in range(names)], seed)
    own = rng.dirichlet(np.full(names, 3.0))
    prior = 2.5 * known.risk @ (own - rng.dirichlet(np.full(names, 3.0)) if neutral else own)
    beliefs = Beliefs(known.symbols, prior, prior + rng.normal(0.02, 0.01, names), known.risk)
    held = book(6000 if limits else 0, **dict(zip(known.symbols, sizes.astype(int).tolist(), strict=True)))
    found = []
    for mean in beliefs.mean, prior:
        compiled = CompiledPolicy(
            replace(known, mean=mean), Policy(risk_free_rate=0.0, **limits), Universe(known.symbols),
            Mandate(prior="historical"),
        )  # fmt: skip
        found.append(propose_account(held, dict.fromkeys(known.symbols, 10.0), beliefs, compiled))
    after, before = (one.solution.weights for one in found)
    rows = [row for row in found[0].trades.rows if "the views move" in row.rationale]
    places = [known.symbols.index(row.symbol) for row in rows]
    ways = np.array([{"BUY": 1, "SELL": -1}[row.action] for row in rows])
    return after[places], ways * (after - before)[places]


@pytest.mark.parametrize(
    ("names", "limits", "drawn", "one_in"),
    [
        (8, {"min_position": 0.15}, (0.0, 0.15), 12),
        (8, {"no_trade_band": 0.05}, (0.0,), 12),
        (14, {"large_holdings": (0.1, 0.4)}, (0.1,), 40),
    ],
    ids=["least", "band", "large"],
)
def test_what_a_limit_on_names_draws_is_not_told_by_the_views(
    names: int, limits: dict[str, Any], drawn: tuple[float, ...], one_in: int
):
    """A third of what was said beside min_position was not so: the names stood at nothing or at the least size.

    And one of twelve beside large holdings, which take from each other what they may be together.
    """
    told = against = 0
    for seed in range(12):
        rng = np.random.default_rng([8, seed])
        targets, there = with_and_without_views(
            rng, seed, rng.integers(1, 1000, names), limits, neutral=False
        )
        told, against = told + len(targets), against + int((there < 1e-7).sum())
        assert all((np.abs(targets - at) > 1e-6).all() for at in drawn)
    assert told >= 10 and against * one_in <= told


@pytest.mark.parametrize(
    ("views", "cap", "told"),
    [
        (0.03, {"max_weight": 0.4}, []),
        (0.11, {"max_weight": 0.4}, ["A"]),
        (0.03, {"largest_limits": {1: 0.4}}, []),
    ],
    ids=["anyway", "because of them", "the largest"],
)
def test_a_name_at_its_cap_is_bought_for_the_views_only_where_they_bring_it_there(
    views: float, cap: dict[str, Any], told: list[str]
):
    """Three of some 5%, and A of 15%: with 3% less it would be at its cap too, with 11% less it would not."""
    known = Estimates(tuple("ABCD"), np.array([0.15, 0.05, 0.06, 0.04]), 0.04 * np.eye(4))
    policy = Policy(risk_free_rate=0.0, risk_aversion=2.0, **cap)
    beliefs = Beliefs(known.symbols, known.mean - [views, 0, 0, 0], known.mean, known.risk)
    compiled = CompiledPolicy(known, policy, Universe(known.symbols), Mandate(prior="historical"))
    found = propose_account(
        book(0, A=100, B=300, C=300, D=300), dict.fromkeys("ABCD", 10.0), beliefs, compiled
    )
    rows = {row.symbol: row for row in found.trades.rows}
    assert rows["A"].target_weight == pytest.approx(0.4)
    assert ("relaxing max_weight A" in rows["A"].rationale) == ("max_weight" in cap)
    assert [name for name in "A" if "the views move" in rows[name].rationale] == told


def test_what_cash_and_all_names_earn_alike_changes_no_reason():
    """Risk is paid by what is earned above the rate: under caps and with cash left, its price was told by all of it."""
    names = tuple(f"N{place}" for place in range(8))
    policy = Policy(max_weight=0.25, cash_max=1.0, risk_aversion=8.0, risk_free_rate=0.0)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        known = estimates(names, seed)
        prior = 2.5 * known.risk @ rng.dirichlet(np.full(8, 3.0))
        mean, held = prior + rng.normal(0.0, 0.02, 8), book(0, **dict.fromkeys(names, 100))
        told = []
        for rate in 0.0, 0.04:
            beliefs = Beliefs(names, prior + rate, mean + rate, known.risk)
            compiled = CompiledPolicy(
                replace(known, mean=mean + rate),
                replace(policy, risk_free_rate=rate),
                Universe(names),
                Mandate(prior="historical"),
            )
            found = propose_account(held, dict.fromkeys(names, 10.0), beliefs, compiled)
            told.append([row.symbol for row in found.trades.rows if "the views move" in row.rationale])
        assert told[0] and told[1] == told[0]


def test_a_name_that_a_choice_of_names_keeps_out_is_not_sold_for_the_views():
    """Without them it would be held by no choice of one name either, though the first order would hold it."""
    known = Estimates(tuple("ABC"), np.array([0.2, 0.02, 0.04]), 0.04 * np.eye(3))
    beliefs = Beliefs(known.symbols, np.array([0.2, 0.14, 0.04]), known.mean, known.risk)
    told = []
    for most in None, 1:
        policy = Policy(risk_free_rate=0.0, risk_aversion=2.0, max_holdings=most, cash_max=1.0)
        compiled = CompiledPolicy(known, policy, Universe(known.symbols), Mandate(prior="historical"))
        found = propose_account(book(0, A=300, B=300, C=300), dict.fromkeys("ABC", 10.0), beliefs, compiled)
        told += ["the views move" in row.rationale for row in found.trades.rows if row.symbol == "B"]
    assert told == [True, False]


def test_where_no_change_leads_nothing_is_asked_of_the_weights():
    """What a change moved takes a sixth of a millisecond, twice an account."""
    reasons = Reasons(views={"A": 0.03, "B": 0.031})
    moves = [Move(name, None, 0.4, 0.5, 0.5, 0.01, 0.01, 0.0) for name in "AB"]
    (found,) = shifts_of(reasons, moves, lambda own: pytest.fail(f"asked of {own}"))
    assert not found.causes(moves[1], scarce=False) and found.average == pytest.approx(0.0305)
