"""The trade lists of small books against brute force: every list that exact money pays for is tried."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from optimizer import (
    CostModel,
    Estimates,
    InfeasibleError,
    Policy,
    Portfolio,
    Position,
    TradeList,
    Universe,
    build_trades,
)
from optimizer.model.portfolio import money
from optimizer.numerics.tracking_risk import RIDGE
from optimizer.trading.trades import AVERSION

NEAR = 1.1e-5  # the search ends when a list is proven to be within a tenth of a basis point of NAV


@dataclass(frozen=True)
class Book:
    """A made-up book with at most a few lots of each name within its NAV."""

    prices: dict[str, Decimal]
    lots: dict[str, int]
    shares: dict[str, int]
    cash: Decimal
    target: dict[str, float]
    covariance: np.ndarray
    costs: CostModel
    cash_min: float

    @property
    def nav(self) -> Decimal:
        return self.cash + sum((q * self.prices[s] for s, q in self.shares.items()), Decimal(0))

    def listed(self) -> TradeList:
        names = tuple(sorted(self.prices))
        held = {s: Position(s, Decimal(q)) for s, q in self.shares.items() if q}
        policy = Policy(method="min_volatility", risk_free_rate=0.0, cash_max=1.0, cash_min=self.cash_min)
        return build_trades(
            Portfolio("p", self.cash, held), self.prices, self.target, Estimates(names, None, self.covariance),
            policy, Universe(names), costs=self.costs, lots=self.lots,
        )  # fmt: skip


def made_up(seed: int) -> Book:
    """Prices of 1 to 600,000; in most books the cash pays one list, with its costs, to the last step of money."""
    random = np.random.default_rng(seed)
    names = "ABCDEF"[: int(random.integers(2, 7))]
    nav = float(np.exp(random.uniform(np.log(300), np.log(2e6))))
    prices, lots = {}, {}
    for name in names:
        price = round(float(np.exp(random.uniform(0, np.log(6e5)))), int(random.integers(0, 3)))
        prices[name] = max(Decimal(str(price)), Decimal(1))
        lots[name] = max(1, round(nav / (float(prices[name]) * float(random.uniform(1, 2.5)))))
    held, wanted = (
        {s: int(random.integers(0, 3)) * lots[s] if lots[s] * prices[s] < nav else 0 for s in names}
        for _ in range(2)
    )
    costs = CostModel(commission=float(random.choice([0, 1, 5])), impact_bps=float(random.choice([0, 7, 15])))
    need = sum(
        ((wanted[s] - held[s]) * prices[s] + costs.cost(s, wanted[s] - held[s], prices[s]) for s in names),
        Decimal(0),
    )
    spare = Decimal(0) if random.random() < 0.7 else money(random.uniform(0, nav / 3))
    volatility, common = random.uniform(0.1, 0.4, len(names)), random.uniform(0, 0.8)
    covariance = np.outer(volatility, volatility) * (common + (1 - common) * np.eye(len(names)))
    weights = random.dirichlet(np.ones(len(names))) * random.uniform(0.5, 1)
    cash = max(need, Decimal(0)) + spare
    cash_min = float(random.choice([0.0, 0.0, 0.01]))
    return Book(
        prices, lots, held, cash, dict(zip(names, weights.tolist(), strict=True)), covariance, costs, cash_min
    )


def least(book: Book) -> float:
    """The least objective of all lists that exact money pays for; infinite where there is none."""
    names, nav = sorted(book.prices), book.nav
    choices = []
    for name in names:
        price, lot, held = book.prices[name], book.lots[name], book.shares[name]
        most = int((nav / price) // lot) + 1
        quantities = sorted({held, *(lot * q + held % lot for q in range(most + 1)), 0})
        costs = [book.costs.cost(name, q - held, price) for q in quantities]
        spent = [int(((q - held) * price + cost) * 10_000) for q, cost in zip(quantities, costs, strict=True)]
        choices.append(
            (np.array([float(q * price / nav) for q in quantities]), np.array(spent), np.array(costs))
        )
    places = np.array(list(product(*(range(len(it[0])) for it in choices))))
    weights = np.stack([it[0][places[:, i]] for i, it in enumerate(choices)], axis=1)
    spent = sum(it[1][places[:, i]] for i, it in enumerate(choices))
    cost = sum(it[2].astype(float)[places[:, i]] for i, it in enumerate(choices))
    paid = int(book.cash * 10_000) - spent >= book.cash_min * (float(nav) - cost) * 10_000 - 1e-6 * 10_000
    if not paid.any():
        return np.inf
    risk = book.covariance + RIDGE * book.covariance.diagonal().mean() * np.eye(len(names))
    miss = weights[paid] - np.array([book.target[name] for name in names])
    return float((AVERSION * np.einsum("ij,jk,ik->i", miss, risk, miss) + cost[paid] / float(nav)).min())


def agrees(seed: int) -> str | None:
    """What differs from brute force, if anything does."""
    book = made_up(seed)
    if book.nav <= 0:
        return None
    best = least(book)
    try:
        found = book.listed()
    except InfeasibleError as error:
        return None if np.isinf(best) else f"{seed}: {error}, but a list with {best} exists"
    if found.cash_after < money(Decimal(str(book.cash_min)) * found.nav_after) - Decimal("0.0001"):
        return f"{seed}: cash of {found.cash_after} is too little"
    if not 0 <= found.bound <= best + 1e-6:
        return f"{seed}: the bound {found.bound} is not between 0 and the best, {best}"
    if not best - 1e-6 <= found.objective <= best + NEAR:
        return f"{seed}: {found.objective} is not the best, {best}"
    return None


MANY_LISTS = {7, 13, 39}  # brute force takes seconds


def test_small_books_are_as_brute_force_has_them() -> None:
    seeds = set(range(20)) - MANY_LISTS
    assert [said for seed in seeds if (said := agrees(seed))] == []


@pytest.mark.slow
def test_a_thousand_small_books_are_as_brute_force_has_them() -> None:
    assert [said for seed in [*MANY_LISTS, *range(20, 1040)] if (said := agrees(seed))] == []
