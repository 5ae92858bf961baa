"""Target weights to the trades a desk would send: whole lots, paid in full, every limit checked again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from optimizer.arguments import typed
from optimizer.errors import Conflict, DataError, InfeasibleError, PolicyError
from optimizer.model.alignment import by_name
from optimizer.model.costs import CostCurve, CostModel
from optimizer.model.estimates import Estimates
from optimizer.model.policies.checks import PERCENT_MEANT
from optimizer.model.policy import Policy
from optimizer.model.portfolio import Number, Portfolio, exact
from optimizer.model.ranges import checked_number
from optimizer.model.universe import Universe
from optimizer.numerics.tracking_risk import TrackingRisk
from optimizer.problem.policy_limits import build_limits
from optimizer.problem.setting import Setting, aligned
from optimizer.problem.trade_bounds import restrictions_of
from optimizer.trading.list_in_money import Asked, Totals, nothing_listed, totals_of, trade_list
from optimizer.trading.lot_limits import (
    Left,
    large_kept,
    least_kept,
    left_alone,
    lot_box,
    lot_curves,
    lot_rows,
)
from optimizer.trading.lot_relaxation import TOLERANCE, RoundingProblem
from optimizer.trading.nearest.nearest_money import nearest_money
from optimizer.trading.priced_portfolio import make_book
from optimizer.trading.rationale import Reasons
from optimizer.trading.rounding import GAP, round_trades
from optimizer.trading.trade_list import LimitCheck, TradeList
from optimizer.typing import Array

AVERSION = 100.0
MOST_AVERSE = 1e6
NOISE = 1e-8
MONEY_ROUNDING = 1e-4  # of a line: half a step of money for its value, half for its cost
SEARCHES = 4
SMALL_COSTS, COARSE = 0.02, 0.1  # of NAV: all costs, and a lot
ROUNDINGS = {"tracking_error": round_trades, "money": nearest_money}


@typed
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
    sell_rates: Mapping[str, float] | None = None,
    gap: float = GAP,
    risk: TrackingRisk | None = None,
) -> TradeList:
    """The permitted trades that bring the portfolio nearest to the target weights, in risk terms or money, plus costs.

    prices     symbol -> price in the symbol's own currency, for all that is held or wanted
    target     symbol -> weight, fraction of the NAV before; an absent name, or one below 1e-8, is sold out
    estimates  covariance (n, n) per year of every name that is held or wanted
    fx         symbol -> base currency per unit of its currency; None: prices are in the base currency
    lots       shares in a lot (0.0001 for fractional shares, 100 for round lots), one for all or by symbol; a
               holding may also be closed whole, be it less than one
    band       a name nearer than this to its target is left alone, fraction of NAV; not one to be sold out
    aversion   NAV given up per unit of annual tracking variance to save costs; 100 makes 1% of tracking
               error worth 1% of NAV, so that costs only decide between nearly equal lists
    sell_rates symbol -> tax on the gain per unit of value sold, >= 0: weighed as a cost, and kept in cash
    gap        a list proven this near to the best is taken, fraction of NAV; 0 searches to the end
    risk       that of the estimates, where it is made once for many lists: TrackingRisk.of(estimates.risk)
    Cash >= cash_min, of the NAV after costs, and turnover are hard; each other limit holds where lots allow, else its
    check says not.
    Raises DataError for a missing price or rate, InfeasibleError when cash and turnover cannot both hold.

    >>> found = build_trades(book, quotes, {'BONDS': 1.0}, estimates, policy, universe)
    >>> [(row.symbol, row.action) for row in found.rows]
    [('EQUITY', 'SELL'), ('BONDS', 'BUY')]
    """
    target, prices = checked_target(target), by_name("prices", prices)
    fx = None if fx is None else by_name("fx", fx)
    lots = by_name("lots", lots) if hasattr(lots, "keys") else lots
    sell_rates = None if sell_rates is None else by_name("sell_rates", sell_rates)
    _check_weighing(aversion, band, gap)
    _check_risk(risk, estimates)
    wanted = {symbol: weight for symbol, weight in target.items() if abs(weight) > NOISE}
    book = make_book(portfolio, prices, wanted, fx, lots)
    if not book.lines:
        return nothing_listed(book.cash)
    held = aligned(book.weights(), estimates.symbols, "the portfolio")
    setting = Setting(estimates, policy, universe, held)
    owed = owed_on(sell_rates, setting.symbols) if sell_rates else None
    goal = aligned(wanted, setting.symbols, "the target")
    given = replace(setting, policy=_given_way(policy, goal, held))
    asked = Asked(
        given, policy, build_limits(setting), goal, book, costs or CostModel.of(policy), aversion, band, owed,
        risk or TrackingRisk.of(estimates.risk), gap,
    )  # fmt: skip
    told = _with_restrictions(reasons or Reasons(), policy).of_factors(universe)
    return _require_cash_and_turnover(_paid_list(asked, told), policy)


def _with_restrictions(reasons: Reasons, policy: Policy) -> Reasons:
    """The reasons with what the policy keeps from being traded."""
    restricted = restrictions_of(policy)
    return replace(reasons, restricted={**restricted, **reasons.restricted}) if restricted else reasons


def _check_risk(risk: TrackingRisk | None, estimates: Estimates) -> None:
    if risk is not None and len(risk.own) != len(estimates.symbols):
        raise DataError(
            f"risk is of {len(risk.own)} names and the estimates of {len(estimates.symbols)}; they must be the same: "
            "make it of these estimates' covariance, or leave it out"
        )


def _check_weighing(aversion: float, band: float, gap: float) -> None:
    if not (0 < aversion <= MOST_AVERSE and 0 <= band <= 1):
        raise PolicyError(
            f"aversion is {aversion} and band {band}; 0 < aversion <= {MOST_AVERSE:g} and 0 <= band <= 1 are needed"
        )
    if not 0 <= gap <= 1:
        raise PolicyError(
            f"gap is {gap}; it must be a fraction of the NAV from 0 to 1: give 0 to search to the end"
        )


def checked_target(target: Mapping[str, float]) -> dict[str, float]:
    """The wanted weights by symbol; PolicyError for one that is no text or whose weight is no fraction."""
    found: dict[str, float] = {}
    for symbol, given in by_name("the target", target).items():
        if not isinstance(symbol, str):
            raise PolicyError(f"the target names {symbol!r}; a symbol is a text: {{'A': 0.5}}")
        if type(given) is float and abs(given) <= PERCENT_MEANT:  # what thousands of accounts are given
            found[symbol] = given
            continue
        weight = float(given) if isinstance(given, Decimal) else given
        checked_number(f"the target of {symbol}", weight)
        if not abs(weight) <= PERCENT_MEANT:
            raise PolicyError(
                f"the target of {symbol} is {weight}; it must be a fraction of the NAV, 0.5 for 50%, 0 to sell it"
            )
        found[symbol] = weight
    return found


def owed_on(rates: Mapping[str, float], symbols: tuple[str, ...]) -> Array:
    """(n,) tax per unit of value sold; PolicyError for one that is no fraction."""
    owed = aligned(rates, symbols, "sell_rates")
    if not ((owed >= 0) & (owed <= 1)).all():
        raise PolicyError(f"sell_rates are {dict(rates)}; each is a fraction of the value sold, from 0 to 1")
    return owed


def _given_way(policy: Policy, wanted: Array, held: Array) -> Policy:
    """The policy with least cash and turnover, where these have a priority, as far as the target (n,) needs them."""
    if not any(policy.priorities.values()):
        return policy
    least, most = policy.cash_min, policy.max_turnover
    if policy.priorities.get("cash_min"):
        least = min(least, 1.0 - float(wanted.sum()))
    if policy.priorities.get("max_turnover") and most is not None:
        most = max(most, 0.5 * float(np.abs(wanted - held).sum()))
    return replace(policy, cash_min=least, max_turnover=most)


def _problem(asked: Asked, left: Left | None, cash: float, traded: float) -> tuple[RoundingProblem, Left]:
    """The rounding problem in fractions of the NAV, and on which part of it, that costs leave, limits are kept.

    left  None: what keeps the limits whatever the costs, where costs and lots are small, else what misses no list
    cash, traded  what is granted beyond the cash that there is and the turnover allowed
    """
    setting, limits, wanted, book = asked.setting, asked.limits, asked.wanted, asked.book
    nav, policy, symbols = float(book.nav), setting.policy, setting.symbols
    held = setting.held if setting.held is not None else np.zeros(len(symbols))
    lines = [book.lines.get(symbol) for symbol in symbols]
    prices = np.array([float(line.price) if line else nav for line in lines])
    step = prices * np.array([float(line.lot) if line else 1.0 for line in lines]) / nav
    curve = asked.model.curve(symbols, prices, nav)
    if left is None:
        coarse = any(size > COARSE for size, line in zip(step.tolist(), lines, strict=True) if line)
        dearest = _left_of_the_dearest(curve, wanted, held, step)
        left = Left(1.0, dearest) if coarse or dearest <= 1 - SMALL_COSTS else Left(dearest, 1.0)
    min_trade = policy.min_trade_value / nav
    limits = large_kept(limits, policy.large_holdings, wanted)
    lower, upper = lot_box(limits, wanted, held, step, min_trade, left)
    rows, bounds = lot_rows(limits, wanted, step, left)
    absolute, norms = lot_curves(limits, wanted, step, left)
    turnover = np.inf if policy.max_turnover is None else 2 * policy.max_turnover
    problem = RoundingProblem(
        held=held,
        wanted=wanted,
        step=step,
        risk=asked.risk,
        aversion=asked.aversion,
        curve=curve if asked.owed is None else replace(curve, sell=curve.sell + asked.owed),
        lower=lower,
        upper=upper,
        rows=rows,
        bounds=bounds,
        cash=float(book.cash) / nav + cash,
        cash_min=policy.cash_min,
        max_traded=turnover + traded,
        min_trade=min_trade,
        band=policy.no_trade_band or 0.0,
        absolute=absolute,
        norms=norms,
    )
    return least_kept(left_alone(problem, asked.band), (policy.min_position or 0.0) * left.floors), left


def _left_of_the_dearest(curve: CostCurve, wanted: Array, held: Array, step: Array) -> float:
    """NAV after the dearest list / NAV before, a lot (n,) beyond each target; 0 where its costs take all."""
    dearest = curve.costs(wanted - held + np.where(wanted >= held, step, -step))
    spent = float(dearest[np.abs(wanted - held) > TOLERANCE].sum())
    return max(1 - spent, 0.0)


def _paid_list(asked: Asked, reasons: Reasons) -> TradeList:
    """The best list whose cash, turnover and caps hold in exact money.

    Values and costs are money: a line may cost up to half a step less than its float. The first search grants all lines
    that much, so that no list is missed and its bound is true of all; what the list then lacks is taken off, and it is
    sought again.
    """
    book, nav = asked.book, float(asked.book.nav)
    rounding = MONEY_ROUNDING * len(book.lines) / nav
    cash = 0.0 if book.even and asked.model.even() else rounding
    traded = 0.0 if book.even else rounding
    kept, bound = None, np.inf
    for _ in range(SEARCHES):
        problem, kept = _problem(asked, kept, cash, traded)
        answer = ROUNDINGS[asked.policy.rounding](problem, asked.gap)
        bound = min(bound, answer.bound)
        totals = totals_of(asked, problem, answer)
        lacking, excess = _lacking(totals, book.nav, asked.setting.policy)
        left = float(totals.nav_after / book.nav)
        nearer = _kept_on(kept, left, totals.checks)
        if lacking <= 0 and excess <= TOLERANCE and nearer == kept:
            break
        cash, traded, kept = cash - max(lacking, 0.0) / nav, traded - max(excess, 0.0), nearer
    return trade_list(asked, problem, replace(answer, bound=bound), totals, reasons)


def _kept_on(kept: Left, left: float, checks: Sequence[LimitCheck]) -> Left:
    """What the next list's limits are kept on: what costs left of this one, where that is why it breaks some."""
    over = any(check.achieved > check.limit for check in checks if not check.met)
    under = any(check.achieved < check.limit for check in checks if not check.met)
    return Left(min(kept.caps, left) if over else kept.caps, max(kept.floors, left) if under else kept.floors)


def _lacking(found: Totals, nav: Decimal, policy: Policy) -> tuple[float, float]:
    """The cash that the list lacks, base currency, and its turnover above the limit, two-way; <= 0 where they hold."""
    lacking = exact(policy.cash_min) * found.nav_after - found.cash_after
    if policy.max_turnover is None:
        return float(lacking), 0.0
    excess = (found.bought + found.sold) / nav - 2 * exact(policy.max_turnover)
    return float(lacking), float(excess)


def _require_cash_and_turnover(found: TradeList, policy: Policy) -> TradeList:
    """The list; InfeasibleError where cash or turnover does not hold on it, and has no priority to give way by."""
    conflicts = tuple(
        Conflict(check.constraint, check.limit, -check.slack)
        for check in found.constraints
        if check.constraint in ("cash_min", "max_turnover") and not check.met
        if not policy.priorities.get(check.constraint)
    )
    if conflicts:
        raise InfeasibleError(f"no list of whole lots exists: {'; '.join(map(str, conflicts))}", conflicts)
    return found
