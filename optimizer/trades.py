"""Target weights to the trades a desk would send: whole lots, paid in full, every limit checked again."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from optimizer.book import Book, Line, make_book
from optimizer.costs import CostModel
from optimizer.errors import Conflict, InfeasibleError
from optimizer.estimates import Estimates
from optimizer.limits import Limits
from optimizer.lot_limits import check_limits, left_alone, lot_box, lot_curves, lot_rows
from optimizer.policy import Policy
from optimizer.portfolio import ZERO, Action, Number, Portfolio, Universe, money
from optimizer.rationale import Move, Reasons, explain
from optimizer.relaxation import RoundingProblem
from optimizer.rounding import Rounded, round_trades
from optimizer.rules import Setting, aligned, build_limits
from optimizer.trade_list import TradeList, TradeRow
from optimizer.typing import Array

AVERSION = 100.0
RIDGE = 1e-6
NOISE = 1e-8


def build_trades(
    portfolio: Portfolio,
    prices: Mapping[str, Number],
    target: Mapping[str, float],
    estimates: Estimates,
    policy: Policy,
    universe: Universe,
    *,
    fx: Mapping[str, Number] | None = None,
    costs: CostModel | None = None,
    lots: Number | Mapping[str, Number] = 1,
    band: float = 0.0,
    reasons: Reasons | None = None,
    aversion: float = AVERSION,
) -> TradeList:
    """The permitted trades that bring the portfolio nearest to the target weights, in risk terms plus costs.

    prices     symbol -> price in the symbol's own currency, for all that is held or wanted
    target     symbol -> weight, fraction of the NAV before; an absent name, or one below 1e-8, is sold out
    estimates  covariance (n, n) per year of every name that is held or wanted
    fx         symbol -> base currency per unit of its currency; None: prices are in the base currency
    lots       shares in a lot (0.0001 for fractional shares, 100 for round lots), one for all or by symbol
    band       a name nearer than this to its target is left alone, fraction of NAV; not one to be sold out
    aversion   NAV given up per unit of annual tracking variance to save costs; 100 makes 1% of tracking
               error worth 1% of NAV, so that costs only decide between nearly equal lists
    Cash >= cash_min and turnover are hard; each other limit holds where lots allow, else its check says not.
    Raises DataError for a missing price or rate, InfeasibleError when cash and turnover cannot both hold.
    """
    wanted = {symbol: weight for symbol, weight in target.items() if abs(weight) > NOISE}
    book = make_book(portfolio, prices, wanted, fx, lots)
    if not book.lines:
        return _nothing(book.cash)
    setting = Setting(
        estimates, policy, universe, aligned(book.weights(), estimates.symbols, "the portfolio")
    )
    limits = build_limits(setting)
    model = costs or CostModel.of(policy)
    goal = aligned(wanted, setting.symbols, "the target")
    problem = left_alone(_problem(setting, limits, goal, book, model, aversion), band)
    answer = round_trades(problem)
    return _require_cash_and_turnover(
        _trade_list(setting, limits, problem, answer, book, model, reasons or Reasons())
    )


def _problem(
    setting: Setting, limits: Limits, wanted: Array, book: Book, model: CostModel, aversion: float
) -> RoundingProblem:
    """The rounding problem in fractions of the NAV."""
    nav, policy, symbols = float(book.nav), setting.policy, setting.symbols
    held = aligned(book.weights(), symbols, "the portfolio")
    lines = [book.lines.get(symbol) for symbol in symbols]
    prices = np.array([float(line.price) if line else nav for line in lines])
    step = np.array([float(line.price * line.lot) / nav if line else 1.0 for line in lines])
    curve = model.curve(symbols, prices, nav)
    dearest = curve.costs(wanted - held + np.where(wanted >= held, step, -step))
    shrink = 1 - float(dearest[wanted != held].sum())
    min_trade = policy.min_trade_value / nav
    lower, upper = lot_box(limits, wanted, held, step, min_trade, shrink)
    rows, bounds = lot_rows(limits, wanted, step, shrink)
    absolute, norms = lot_curves(limits, wanted, step, shrink)
    # values and costs are rounded to 4 decimals a line: the sums must hold for the rounded amounts
    value_rounding = 0.0 if book.even() else 1e-4 * len(book.lines) / nav
    rounding = value_rounding + 1e-4 * len(book.lines) / nav
    turnover = np.inf if policy.max_turnover is None else max(2 * policy.max_turnover - value_rounding, 0.0)
    variance = setting.estimates.covariance.diagonal().mean()
    return RoundingProblem(
        held=held,
        wanted=wanted,
        step=step,
        covariance=setting.estimates.covariance + RIDGE * variance * np.eye(len(symbols)),
        aversion=aversion,
        curve=curve,
        lower=lower,
        upper=upper,
        rows=rows,
        bounds=bounds,
        cash=float(book.cash) / nav - rounding,
        cash_min=policy.cash_min * (shrink if policy.cash_min < 0 else 1.0),
        max_traded=turnover,
        min_trade=min_trade,
        absolute=absolute,
        norms=norms,
    )


def _require_cash_and_turnover(found: TradeList) -> TradeList:
    """The list; InfeasibleError where cash or turnover does not hold on it."""
    conflicts = tuple(
        Conflict(check.constraint, check.limit, -check.slack)
        for check in found.constraints
        if check.constraint in ("cash_min", "max_turnover") and not check.met
    )
    if conflicts:
        raise InfeasibleError(f"no list of whole lots exists: {'; '.join(map(str, conflicts))}", conflicts)
    return found


def _trade_list(
    setting: Setting,
    limits: Limits,
    problem: RoundingProblem,
    answer: Rounded,
    book: Book,
    model: CostModel,
    reasons: Reasons,
) -> TradeList:
    """The list in exact numbers, with its checks."""
    traded = {
        symbol: _shares(book.lines[symbol], float(lots), float(close))
        for symbol, lots, close in zip(setting.symbols, answer.lots, problem.close, strict=True)
        if symbol in book.lines
    }
    after = {s: money((book.lines[s].quantity + q) * book.lines[s].price) for s, q in traded.items()}
    flows = {s: after[s] - book.lines[s].value for s in traded}
    costs = {s: model.cost(s, q, book.lines[s].price) for s, q in traded.items()}
    total_cost = sum(costs.values(), ZERO)
    bought = sum((v for v in flows.values() if v > 0), ZERO)
    sold = -sum((v for v in flows.values() if v < 0), ZERO)
    cash_after = book.cash - bought + sold - total_cost
    nav_after = book.nav - total_cost
    weights = {s: float(v / nav_after) for s, v in after.items()}
    rows = [
        _row(setting, book, s, traded[s], abs(flows[s]), costs[s], problem, weights[s], reasons)
        for s in traded
    ]
    miss = problem.held + answer.lots * problem.step - problem.wanted
    checks = check_limits(
        setting.policy,
        limits,
        aligned(weights, setting.symbols, "the trade list"),
        float(cash_after / nav_after),
        float((bought + sold) / book.nav / 2),
    )
    return TradeList(
        rows=tuple(sorted(rows, key=_execution_order)),
        nav_before=book.nav,
        nav_after=nav_after,
        cash_before=book.cash,
        cash_after=cash_after,
        bought=bought,
        sold=sold,
        costs=total_cost,
        tracking_error=max(float(miss @ setting.estimates.covariance @ miss), 0.0) ** 0.5,
        objective=answer.objective,
        bound=answer.bound,
        constraints=checks,
        warnings=tuple(
            f"{c.constraint} is {c.achieved:.4g} after rounding to whole lots, its limit is {c.limit:.4g}"
            for c in checks
            if not c.met
        ),
    )


def _shares(line: Line, lots: float, close: float) -> Decimal:
    """Signed shares of a trade in lots: a whole number of lots, or the whole holding."""
    return -line.quantity if line.quantity and abs(lots - close) < 1e-9 else line.lot * round(lots)


def _row(
    setting: Setting,
    book: Book,
    symbol: str,
    shares: Decimal,
    value: Decimal,
    cost: Decimal,
    problem: RoundingProblem,
    achieved: float,
    reasons: Reasons,
) -> TradeRow:
    line = book.lines[symbol]
    i = setting.symbols.index(symbol)
    move = Move(
        symbol=symbol,
        sector=setting.universe.sectors.get(symbol),
        current=float(problem.held[i]),
        target=float(problem.wanted[i]),
        achieved=achieved,
        traded=bool(shares),
        lot=float(problem.step[i]),
        min_trade=problem.min_trade,
    )
    sentence, numbers = explain(move, reasons)
    action: Action = "BUY" if shares > 0 else "SELL" if shares < 0 else "HOLD"
    return TradeRow(
        symbol=symbol,
        action=action,
        quantity=abs(shares),
        price=line.price,
        value=value,
        cost=cost,
        current_quantity=line.quantity,
        target_quantity=line.quantity + shares,
        current_weight=move.current,
        target_weight=move.target,
        achieved_weight=achieved,
        local_price=line.local_price,
        fx_rate=line.fx_rate,
        rationale=sentence,
        numbers=numbers,
    )


def _execution_order(row: TradeRow) -> tuple[int, Decimal, str]:
    return (("SELL", "BUY", "HOLD").index(row.action), -row.value, row.symbol)


def _nothing(cash: Decimal) -> TradeList:
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
