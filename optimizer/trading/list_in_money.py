"""A list of trades in exact money: what each line costs, what all add up to, and the limits on what is then held."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.measures.portfolio_measures import risk_contributions
from optimizer.model.costs import CostModel
from optimizer.model.estimates import Estimates
from optimizer.model.policy import Policy
from optimizer.model.portfolio import ZERO, Action, money
from optimizer.numerics.convex_limits import Limits, Linear
from optimizer.numerics.counted import uncounted
from optimizer.numerics.response import TOUCHES, response
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.problem.methods import ON_MEANS
from optimizer.problem.setting import Setting, aligned
from optimizer.trading.lot_limits import check_limits, with_causes
from optimizer.trading.lot_relaxation import RoundingProblem
from optimizer.trading.priced_portfolio import Book, Line
from optimizer.trading.rationale import Move, Reasons, Shift, explain, shifts_of
from optimizer.trading.rounding import Rounded
from optimizer.trading.trade_list import LimitCheck, TradeList, TradeRow
from optimizer.typing import Array

NOTHING = money(0)
UNTOLD = 1e-7  # of NAV: a thousandth of a basis point and less is not worth a word


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a list: policy and estimates, limits, target (n,), book, costs, and taxes on sales (n,).

    setting  with least cash and turnover as far as the target lets them give way;  policy  as it is written
    """

    setting: Setting
    policy: Policy
    limits: Limits
    wanted: Array
    book: Book
    model: CostModel
    aversion: float
    band: float
    owed: Array | None
    risk: TrackingRisk
    gap: float


class Fill(NamedTuple):
    """One line's trade in exact numbers: signed shares, signed value that leaves cash, cost, value held after."""

    symbol: str
    line: Line
    shares: Decimal
    flow: Decimal
    cost: Decimal
    after: Decimal
    action: Action


def _fill(symbol: str, line: Line, lots: float, close: float, model: CostModel) -> Fill:
    """A trade in lots is a whole number of lots, or the whole holding."""
    if not lots:
        return Fill(symbol, line, ZERO, NOTHING, NOTHING, line.value, "HOLD")
    everything = bool(line.quantity) and abs(lots - close) < 1e-9
    shares = -line.quantity if everything else line.lot * round(lots)
    after = money((line.quantity + shares) * line.price)
    action: Action = "BUY" if shares > 0 else "SELL"
    return Fill(
        symbol, line, shares, after - line.value, model.cost(symbol, shares, line.price), after, action
    )


class Totals(NamedTuple):
    """Every line's trade, what they add up to in exact numbers, and the limits on what is then held."""

    fills: list[Fill]
    bought: Decimal
    sold: Decimal
    costs: Decimal
    cash_after: Decimal
    nav_after: Decimal
    achieved: Array
    checks: tuple[LimitCheck, ...]


def totals_of(asked: Asked, problem: RoundingProblem, answer: Rounded) -> Totals:
    """The answer's lots as trades, added up."""
    setting, book = asked.setting, asked.book
    lots = zip(setting.symbols, answer.lots.tolist(), problem.close.tolist(), strict=True)
    fills = [
        _fill(symbol, book.lines[symbol], wanted, close, asked.model)
        for symbol, wanted, close in lots
        if symbol in book.lines
    ]
    bought = sum([fill.flow for fill in fills if fill.action == "BUY"], ZERO)
    sold = -sum([fill.flow for fill in fills if fill.action == "SELL"], ZERO)
    costs = sum([fill.cost for fill in fills if fill.action != "HOLD"], ZERO)
    cash_after, nav_after = book.cash - bought + sold - costs, book.nav - costs
    left = float(nav_after)
    weights = {fill.symbol: float(fill.after) / left for fill in fills}
    achieved = aligned(weights, setting.symbols, "the trade list")
    turnover = float((bought + sold) / book.nav / 2)
    traded, cash = answer.lots * problem.step, float(cash_after / nav_after)
    checks = check_limits(asked.policy, asked.limits, achieved, cash, turnover, traded, problem.held)
    return Totals(fills, bought, sold, costs, cash_after, nav_after, achieved, checks)


def trade_list(
    asked: Asked, problem: RoundingProblem, answer: Rounded, totals: Totals, reasons: Reasons
) -> TradeList:
    """The list with its reasons."""
    book, miss = asked.book, problem.held + answer.lots * problem.step - problem.wanted
    moves = _moves(asked.setting, problem, totals.achieved, book)
    shifts = shifts_of(reasons, moves, lambda own: _moved_by(own, asked, reasons))
    rows = [_row(fill, move, reasons, shifts) for fill, move in zip(totals.fills, moves, strict=True)]
    checks = with_causes(totals.checks, asked.policy, asked.limits, asked.wanted, problem.held)
    return TradeList(
        rows=tuple(sorted(rows, key=_execution_order)),
        nav_before=book.nav,
        nav_after=totals.nav_after,
        cash_before=book.cash,
        cash_after=totals.cash_after,
        bought=totals.bought,
        sold=totals.sold,
        costs=totals.costs,
        tracking_error=max(float(miss @ (asked.setting.estimates.risk @ miss)), 0.0) ** 0.5,
        objective=answer.objective,
        bound=answer.bound,
        constraints=checks,
        warnings=(*(check.text for check in checks if not check.met), *_not_proven(asked, answer)),
    )


def _moved_by(own: Mapping[str, float], asked: Asked, reasons: Reasons) -> dict[str, float]:
    """Which way changes of expected returns, by symbol, moved the target; none where these have no part in it.

    Of max_return the highest returns decide, and not who gained: a name's own return is its reason.
    """
    symbols, method = asked.setting.symbols, asked.policy.method
    heard = method in ON_MEANS and method != "max_return"
    if not heard and all(limit.limit != "min_return" for limit in reasons.binding):
        return dict.fromkeys(symbols, 0.0)
    rate = asked.policy.risk_free_rate or 0.0
    change = np.array([own.get(symbol, 0.0) for symbol in symbols])
    excess = np.array([reasons.returns.get(symbol, rate) - rate for symbol in symbols])
    chosen = _by_choice(asked)
    moved = response(change, excess, asked.risk.covariance, asked.wanted, _as_chosen(asked, chosen))
    moved = np.where(chosen, 0.0, moved)
    return dict(zip(symbols, moved.tolist(), strict=True))


def _as_chosen(asked: Asked, chosen: NDArray[np.bool_]) -> Limits:
    """The limits with what a choice of names keeps, which no first order sees: targets (n,), and what is large."""
    limits, w, rule = asked.limits, asked.wanted, asked.policy.large_holdings
    lower, upper = np.where(chosen, w, limits.lower), np.where(chosen, w, limits.upper)
    if rule is None:
        return replace(limits, lower=lower, upper=upper)
    threshold, most = rule
    large = Linear(("-", "large_holdings"), (w > threshold + TOUCHES).astype(float), high=most)
    return replace(limits, lower=lower, upper=upper, linear=(*limits.linear, large))


def _by_choice(asked: Asked) -> NDArray[np.bool_]:
    """(n,) which targets limits on names draw: all of a full choice, or at nothing, the least size, the band, large."""
    policy, w = asked.policy, asked.wanted
    held = asked.setting.held if asked.setting.held is not None else np.zeros(len(w))
    least, band, rule = policy.min_position or 0.0, policy.no_trade_band or 0.0, policy.large_holdings
    if policy.max_holdings is not None and np.count_nonzero(w) >= policy.max_holdings:
        return np.ones(len(w), dtype=bool)  # other returns choose other names, and those weigh all anew
    found = np.zeros(len(w), dtype=bool)
    if least:
        found |= (w == 0) | (np.abs(np.abs(w) - least) <= TOUCHES)
    if band:
        moved = np.abs(w - held)
        found |= (moved <= TOUCHES) | (np.abs(moved - band) <= TOUCHES) | (w == 0)
    if rule is not None:
        found |= np.abs(w - rule[0]) <= TOUCHES
    return found


def _not_proven(asked: Asked, answer: Rounded) -> tuple[str, ...]:
    """What is said of a list nearest in money whose search ended before it was proven to be."""
    if asked.policy.rounding != "money" or answer.objective - answer.bound <= asked.gap + UNTOLD:
        return ()
    return (
        f"this list is not proven to be the nearest in money: {answer.objective:.4%} of the value is off the target or "
        f"paid in costs, and of other lists it is only known that none has less than {answer.bound:.4%}",
    )


def _moves(setting: Setting, problem: RoundingProblem, achieved: Array, book: Book) -> list[Move]:
    """What the rationale needs to know of each name of the book, in the order of its fills."""
    sectors, least, nav = setting.universe.sectors, problem.min_trade, float(book.nav)
    before, after = (_risk_shares(w, setting.estimates).tolist() for w in (problem.held, achieved))
    places = zip(
        setting.symbols, problem.held.tolist(), problem.wanted.tolist(), achieved.tolist(), problem.step.tolist(),
        before, after, strict=True,
    )  # fmt: skip
    return [
        Move(symbol, sectors.get(symbol), held, wanted, reached, float(line.price) / nav, lot, least, *share)
        for symbol, held, wanted, reached, lot, *share in places
        if (line := book.lines.get(symbol))
    ]


def _risk_shares(w: Array, estimates: Estimates) -> Array:
    """(n,) shares of the variance; 0 where it is only assumed, and of cash alone, which bears no risk."""
    if estimates.assumed:
        return np.zeros(len(w))
    shares = uncounted(risk_contributions)(w, estimates.risk)
    return np.where(np.isnan(shares), 0.0, shares)


def _row(fill: Fill, move: Move, reasons: Reasons, shifts: tuple[Shift, ...]) -> TradeRow:
    symbol, line, shares, flow, cost, _, action = fill
    local, rate, price, held, _, _ = line
    sentence, numbers = explain(move, reasons, shifts, traded=bool(shares))
    return TradeRow(
        symbol, action, abs(shares), price, abs(flow), cost, held, held + shares,
        move.current, move.target, move.achieved, local, rate, sentence, numbers,
    )  # fmt: skip


_ORDER = {"SELL": 0, "BUY": 1, "HOLD": 2}


def _execution_order(row: TradeRow) -> tuple[int, Decimal, str]:
    return (_ORDER[row.action], -row.value, row.symbol)


def nothing_listed(cash: Decimal) -> TradeList:
    """The list of a portfolio without positions."""
    return TradeList(
        rows=(),
        nav_before=cash,
        nav_after=cash,
        cash_before=cash,
        cash_after=cash,
        bought=ZERO,
        sold=ZERO,
        costs=ZERO,
        tracking_error=0.0,
        objective=0.0,
        bound=0.0,
        constraints=(),
        warnings=("No positions found",),
    )
