"""What given trades would change, as an answer."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from optimizer import CostModel, Impact, PolicyError
from optimizer.model.portfolio import ZERO, exact, money
from optimizer.proposals.compiled_policy import enough
from optimizer.proposals.proposal import orders_impact
from optimizer.trading.impact import Side
from service.answers.proposals import ImpactAnswer
from service.desk import Loaded

Trades = Mapping[str, tuple[Decimal, Decimal | None]]


def traded(proposed_trades: Sequence[Mapping[str, Any]]) -> Trades:
    """Symbol -> (signed quantity, stated cost) of trades as `propose_trades` gives them.

    Raises PolicyError for a trade without symbol, action or quantity, or a symbol that stands twice.
    """
    found: dict[str, tuple[Decimal, Decimal | None]] = {}
    for trade in proposed_trades:
        missing = [key for key in ("symbol", "action", "quantity") if key not in trade]
        if missing or trade["action"] not in ("BUY", "SELL", "HOLD"):
            raise PolicyError(
                f"trade {dict(trade)}: it needs symbol, quantity and an action BUY, SELL or HOLD"
            )
        symbol, quantity = str(trade["symbol"]), exact(trade["quantity"])
        if quantity < 0:
            raise PolicyError(
                f"trade {symbol}: quantity is {quantity}; it is >= 0, the action gives the side"
            )
        if symbol in found:
            raise PolicyError(f"two trades in {symbol}; give one")
        sign = {"BUY": 1, "SELL": -1, "HOLD": 0}[trade["action"]]
        cost = trade.get("estimated_cost")
        found[symbol] = (sign * quantity, None if cost is None else exact(cost))
    return {symbol: trade for symbol, trade in found.items() if trade[0]}


def analyzed(loaded: Loaded, trades: Trades) -> ImpactAnswer:
    """Both sides of trades at the pack's prices; a trade without a stated cost costs what the policy says."""
    case, policy = loaded.case, loaded.case.inputs.policy
    orders: dict[str, tuple[Decimal, Decimal]] = {}
    model = CostModel.of(policy, case.mandate.liquidity)
    cash = case.portfolio.cash
    for symbol, (quantity, stated) in sorted(trades.items()):
        held = case.portfolio.positions.get(symbol)
        if quantity < 0 and policy.long_only and -quantity > (held.quantity if held else ZERO):
            raise PolicyError(f"{symbol}: {-quantity} are sold, and fewer are held; a long-only book cannot")
        value = money(quantity * exact(case.prices[symbol]))
        cost = model.cost(symbol, quantity, case.prices[symbol]) if stated is None else money(stated)
        orders[symbol] = (quantity, cost)
        cash -= value + cost
    universe, mandate = case.inputs.universe, case.mandate
    change = orders_impact(case.portfolio, case.prices, orders, case.evidence, policy, universe, mandate)
    notes = [*loaded.notes]
    if cash < -money("0.01"):
        notes.append(f"The trades overdraw the cash by {-cash:,.2f} {loaded.snapshot.base_currency}")
    if not enough(case.evidence):
        notes.append(f"Insufficient data for risk figures ({case.evidence.observations} days)")
    return _impact_answer(loaded, change, notes)


PAIRS = {
    "expected_return": "expected_return",
    "vol": "volatility",
    "sharpe": "sharpe",
    "max_dd": "max_drawdown",
    "tracking_error": "tracking_error",
    "avg_quality": "quality",
    "cash": "cash",
    "notional": "notional",
}


def _impact_answer(loaded: Loaded, change: Impact, notes: list[str]) -> ImpactAnswer:
    now, then = _figures(change.current), _figures(change.post)
    deltas = {name: then[name] - now[name] for name in now}
    top = 100 * change.current.concentration_top10, 100 * change.post.concentration_top10
    return ImpactAnswer(
        portfolio_id=loaded.snapshot.portfolio_id,
        pricing_pack_id=loaded.pack.id,
        asof_date=loaded.pack.as_of,
        current_value=change.current.value,
        post_rebalance_value=change.post.value,
        value_delta=change.value_delta,
        estimated_costs=change.costs,
        current_concentration_top10=top[0],
        post_concentration_top10=top[1],
        delta_concentration=top[1] - top[0],
        current_exposures={kind.value: amount for kind, amount in change.current.exposures.items()},
        post_exposures={kind.value: amount for kind, amount in change.post.exposures.items()},
        warnings=notes,
        te_delta=deltas["tracking_error"],
        **{f"current_{name}": value for name, value in now.items()},
        **{f"post_{name}": value for name, value in then.items()},
        **{
            f"delta_{name}": value
            for name, value in deltas.items()
            if f"delta_{name}" in ImpactAnswer.model_fields
        },
    )


def _figures(side: Side) -> dict[str, float]:
    return {name: getattr(side, attribute) for name, attribute in PAIRS.items()}
