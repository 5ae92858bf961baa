"""The days that a portfolio's orders take under its limit on participation, as rows of `trade_schedule`."""

from collections.abc import Mapping

import numpy as np

from optimizer import Estimates, Liquidity, Policy, TradeList
from optimizer.numerics.matrices import block
from optimizer.risk.trade_schedule import participation_of, schedule_trades
from resources.results.stage_outputs import Answer


def schedule_columns(
    trades: TradeList, policy: Policy, estimates: Estimates, liquidity: Mapping[str, Liquidity], lot: float
) -> Answer:
    """One row an order and day, in execution order; nothing where the policy has no limit on participation."""
    if policy.max_participation is None:
        return {}
    orders = [row for row in trades.rows if row.action != "HOLD" and row.quantity]
    symbols = tuple(row.symbol for row in orders)
    places = np.array([estimates.symbols.index(symbol) for symbol in symbols], dtype=np.intp)
    signs = np.array([1.0 if row.action == "BUY" else -1.0 for row in orders])
    volumes = np.array([liquidity[symbol].daily_volume for symbol in symbols])
    found = schedule_trades(
        symbols,
        signs * np.array([float(row.quantity) for row in orders]),
        np.array([float(row.price) for row in orders]),
        volumes,
        participation_of(symbols, policy.max_participation, policy.participation_limits),
        block(estimates.risk, places),
        float(trades.nav_before),
        lot=lot,
        periods_per_year=estimates.periods_per_year,
    )
    rows = [
        {
            "symbol": symbol, "day": day + 1, "action": orders[i].action, "quantity": abs(float(found.traded[day, i])),
            "left_quantity": abs(float(found.left[day, i])), "days": int(found.days[i]),
            "daily_volume": float(volumes[i]), "participation": float(found.participation[day, i]),
            "remaining_risk": float(found.remaining_risk[day]),
        }
        for i, symbol in enumerate(symbols)
        for day in range(len(found.traded))
        if day < found.days[i]
    ]  # fmt: skip
    return {"trade_schedule": {name: [row[name] for row in rows] for name in COLUMNS} if rows else {}}


COLUMNS = (
    "symbol", "day", "action", "quantity", "left_quantity", "days", "daily_volume", "participation", "remaining_risk",
)  # fmt: skip
