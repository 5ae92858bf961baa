"""The trade lists of small books against brute force: every list that exact money pays for is tried."""

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
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
from optimizer.model.portfolio import MONEY_STEP, money
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

    def listed(self, rounding: str) -> TradeList:
        names = tuple(sorted(self.prices))
        held = {s: Position(s, Decimal(q)) for s, q in self.shares.items() if q}
        policy = Policy(
            method="min_volatility",
            risk_free_rate=0.0,
            cash_max=1.0,
            cash_min=self.cash_min,
            rounding=rounding,
        )
        return build_trades(
            Portfolio("p", self.cash, held), self.prices, self.target, Estimates(names, None, self.covariance),
            policy, Universe(names), costs=self.costs, lots=self.lots,
        )  # fmt: skip


def made_up(seed: int) -> Book:
    """Prices of 1 to 600,000; in most books the cash pays one list, with its costs, to the last step of money.

    Where cash must stay, that list leaves just as much of the NAV after its costs.
    """
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
    paid = sum((costs.cost(s, wanted[s] - held[s], prices[s]) for s in names), Decimal(0))
    need = paid + sum(((wanted[s] - held[s]) * prices[s] for s in names), Decimal(0))
    spare = Decimal(0) if random.random() < 0.7 else money(random.uniform(0, nav / 3))
    volatility, common = random.uniform(0.1, 0.4, len(names)), random.uniform(0, 0.8)
    covariance = np.outer(volatility, volatility) * (common + (1 - common) * np.eye(len(names)))
    weights = random.dirichlet(np.ones(len(names))) * random.uniform(0.5, 1)
    cash_min = Decimal(str(random.choice([0.0, 0.0, 0.01])))
    after = sum(((held[s] * prices[s]) for s in names), need - paid)
    left = cash_min * after / (1 - cash_min)
    cash = max(need + left.quantize(MONEY_STEP, ROUND_CEILING), Decimal(0)) + spare
    return Book(
        prices,
        lots,
        held,
        cash,
        dict(zip(names, weights.tolist(), strict=True)),
        covariance,
        costs,
        float(cash_min),
    )


def least(book: Book, rounding: str) -> float:
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
    in_risk = AVERSION * np.einsum("ij,jk,ik->i", miss, risk, miss)
    away = in_risk if rounding == "tracking_error" else np.abs(miss).sum(axis=1)
    return float((away + cost[paid] / float(nav)).min())


def agrees(seed: int, rounding: str) -> str | None:
    """What differs from brute force, if anything does."""
    book = made_up(seed)
    if book.nav <= 0:
        return None
    best = least(book, rounding)
    try:
        found = book.listed(rounding)
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
CASH_BETWEEN = {275, 297}  # as much as must stay of the NAV after costs, and less of that before


@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
def test_small_books_are_as_brute_force_has_them(rounding: str) -> None:
    seeds = set(range(20)) - MANY_LISTS | CASH_BETWEEN
    assert [said for seed in seeds if (said := agrees(seed, rounding))] == []


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
def test_a_thousand_small_books_are_as_brute_force_has_them(rounding: str) -> None:
    assert [said for seed in [*MANY_LISTS, *range(20, 1040)] if (said := agrees(seed, rounding))] == []


def named(symbols: str, held: list[str], prices: list[str], cash: str, *, lots: list[str], target: list[float],
          costs: CostModel, common: float = 0.0, **limits: object) -> TradeList:  # fmt: skip
    """The list of a book of names with a volatility of 20%, proven to the end."""
    names = tuple(symbols)
    S = 0.04 * (common + (1 - common) * np.eye(len(names)))
    policy = Policy(method="min_volatility", risk_free_rate=0.0, cash_max=1.0, **limits)  # type: ignore[arg-type]
    return build_trades(
        Portfolio("p", cash, {s: Position(s, Decimal(q)) for s, q in zip(names, held, strict=True) if float(q)}),
        dict(zip(names, prices, strict=True)), dict(zip(names, target, strict=True)), Estimates(names, None, S),
        policy, Universe(names), costs=costs, lots=dict(zip(names, lots, strict=True)), gap=0.0,
    )  # fmt: skip


FREE = CostModel(commission=0.0, impact_bps=0.0)


def test_a_holding_whose_value_is_rounded_can_be_sold_as_the_whole_lots_that_it_is() -> None:
    """0.022 shares at 12172.727 are 267.799994: in money 267.8000."""
    found = named(
        "BC", ["0.022", "0"], ["12172.727", "100"], "0.0006", lots=["0.022", "1"], target=[0.0, 0.75],
        costs=FREE,
    )  # fmt: skip
    assert {row.symbol: row.target_quantity for row in found.rows} == {"B": 0, "C": 2}
    kept = named(
        "BC", ["0.022", "0"], ["12172.727", "100"], "0.0006", lots=["0.022", "1"], target=[0.2, 0.75],
        costs=FREE,
    )  # fmt: skip
    assert {row.symbol: row.target_quantity for row in kept.rows} == {"B": 0, "C": 2}


def test_a_name_is_sold_although_its_target_is_above_it_where_that_pays_for_a_better_list() -> None:
    """Found by brute force: where only the sale of D paid for C, no list was thought to exist."""
    names, volatility = tuple("ABCD"), np.array([0.1485, 0.3768, 0.3365, 0.1043])
    shares = {
        "A": Position("A", Decimal(15204)),
        "B": Position("B", Decimal(39)),
        "D": Position("D", Decimal(1)),
    }
    found = build_trades(
        Portfolio("p", "196131.7409", shares), {"A": "73.5", "B": "5773", "C": "24616.7", "D": "188532"},
        {"A": 0.047661, "B": 0.006615, "C": 0.314881, "D": 0.49826},
        Estimates(names, None, np.outer(volatility, volatility) * (0.52734 + 0.47266 * np.eye(4))),
        Policy(method="min_volatility", risk_free_rate=0.0, cash_max=1.0, do_not_sell={"A": ""}), Universe(names),
        costs=CostModel(commission=0.0, impact_bps=15.0, buy_tax_bps=50.0),
        lots={"A": 7602, "B": 39, "C": 9, "D": 1}, gap=0.0,
    )  # fmt: skip
    assert [int(row.target_quantity) for row in sorted(found.rows, key=lambda row: row.symbol)] == [
        15204,
        0,
        18,
        0,
    ]


def test_a_book_within_its_cap_stays_where_no_trade_costs_it_anything() -> None:
    found = named(
        "A", ["2"], ["500"], "0", lots=["1"], target=[0.99], costs=CostModel(5.0, 7.0), max_weight=1.0
    )
    assert found.trades() == [] and found.gap == 0


def test_a_name_stays_where_no_lot_is_within_what_may_be_traded_of_it() -> None:
    found = named(
        "AB", ["4", "1"], ["10", "60"], "0", lots=["2", "1"], target=[0.0, 0.6], costs=FREE, max_trade=0.1
    )
    assert found.trades() == [] and found.constraints_met


@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
def test_a_name_stays_where_no_lot_is_both_beyond_the_band_and_within_what_may_be_traded(
    rounding: str,
) -> None:
    """One lot is 20% of the book, and the target 10% away: none is sold, which the band allows; the miss is 10%."""
    found = named(
        "A", ["2"], ["200"], "600", lots=["1"], target=[0.3], costs=FREE, max_trade=0.1, no_trade_band=0.1,
        rounding=rounding,
    )  # fmt: skip
    assert found.trades() == [] and found.constraints_met and found.gap == 0
    assert found.objective == pytest.approx(
        100 * 0.04 * 0.1**2 if rounding == "tracking_error" else 0.1, rel=1e-5
    )


@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
def test_a_holding_below_the_band_is_closed_whole_or_kept(rounding: str) -> None:
    """20% in two lots and a band of 25%: one lot may not go; at a target of 0 both do."""
    held, prices = ["2", "0"], ["100", "100"]
    for target, left in ((0.0, 0), (0.08, 0), (0.12, 2)):
        found = named(
            "AB", held, prices, "800", lots=["1", "1"], target=[target, 0.0], costs=FREE, no_trade_band=0.25,
            rounding=rounding,
        )  # fmt: skip
        kept = {row.symbol: row.target_quantity for row in found.rows}
        assert kept["A"] == left and found.constraints_met


def test_a_short_position_is_bought_back_no_further_than_is_near_to_the_target() -> None:
    """One lot is half of the NAV."""
    found = named(
        "AC", ["-1", "2"], ["50", "75"], "0", lots=["1", "1"], target=[-0.4, 1.4], costs=FREE, long_only=False
    )
    assert found.trades() == []


@pytest.mark.parametrize("rounding", ["tracking_error", "money"])
@pytest.mark.parametrize(("held", "target"), [(40, 0.1), (-40, -0.1), (-150, -0.05)], ids=str)
def test_less_than_a_lot_is_closed_where_that_is_nearer(held: int, target: float, rounding: str):
    """40 shares of a lot of 100 are 40% of the book: nothing is nearer to 10% than they, and none cannot be bought."""
    book = Portfolio("p", 10_000 - 100 * held, {"A": Position("A", Decimal(held))})
    policy = Policy(
        method="min_volatility",
        risk_free_rate=0.0,
        cash_max=2.5,
        rounding=rounding,
        long_only=False,
        min_weight=-2.0,
    )
    found = build_trades(
        book, {"A": 100}, {"A": target}, Estimates(("A",), None, np.array([[0.04]])), policy, Universe(("A",)),
        costs=CostModel(0, 0), lots=100,
    )  # fmt: skip
    assert [(row.action, row.target_quantity) for row in found.rows] == [("SELL" if held > 0 else "BUY", 0)]
    assert found.gap <= NEAR
    least = replace(policy, min_trade_value=abs(held) * 100 + 1)
    kept = build_trades(
        book, {"A": 100}, {"A": target}, Estimates(("A",), None, np.array([[0.04]])), least, Universe(("A",)),
        costs=CostModel(0, 0), lots=100,
    )  # fmt: skip
    assert kept.rows[0].target_quantity != 0
