"""What the stages computed as rows of their tables, and back: beliefs, weights, trades, results, exposures."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer import Estimates, Policy, Setting, Solution, TradeList, Universe
from optimizer.measures.portfolio_measures import risk_contributions
from optimizer.model.exposure_types import in_order
from optimizer.numerics.counted import uncounted
from optimizer.proposals.proposal import Beliefs
from optimizer.proposals.result import composition, exposure_shares, moments
from optimizer.solvers.audit import Binding
from optimizer.solvers.hierarchy import Unmet
from optimizer.tax.taxes import TaxLine
from optimizer.trading.trade_list import TradeRow
from optimizer.typing import Array
from resources.books.lots.tax_lots import sale_frame
from resources.settings.policies.limit_words import desk_warnings

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any]]  # of the rows of one table; none of them: no rows
Answer = Mapping[str, Columns]  # table -> what one portfolio's version of it holds


def one_row(row: Mapping[str, object]) -> Columns:
    """A row as columns."""
    return {name: [value] for name, value in row.items()}


_JSON = json.JSONEncoder(sort_keys=True, allow_nan=False)


def json_text(value: object) -> str:
    """JSON with sorted keys; a number that is not finite is null, for JSON has no other word for it."""
    try:
        return _JSON.encode(value)
    except (TypeError, ValueError):  # a number that is not finite, or one of numpy
        return _JSON.encode(_finite(value))


def json_texts(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """`json_text` of each of many flat rows of numbers, which takes half the time when they are written at once."""
    parts = json_text(rows)[2:-2].split("}, {")
    return [f"{{{part}}}" for part in parts] if len(parts) == len(rows) else [*map(json_text, rows)]


class Plain(dict[str, object]):
    """JSON values that `plain` made: many rows tell the same ones, which need no second look."""


def plain(told: Mapping[str, object]) -> Plain:
    """The same as JSON values, a number that is not finite as null."""
    return Plain({str(key): _finite(item) for key, item in told.items()})


def _finite(value: object) -> object:
    kind = type(value)  # asked first: a list of trades has hundreds of numbers
    if kind is float:
        return value if math.isfinite(value) else None  # type: ignore[arg-type]
    if value is None or kind in (str, int, bool, Plain):
        return value
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flat(one: Any) -> dict[str, object]:
    """A dataclass of plain values as a dictionary: `asdict` would look for more in each."""
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def belief_columns(beliefs: Beliefs, simulated: frozenset[str]) -> Columns:
    """Rows of `posterior_returns`; without a factor model returns are not split."""
    nothing = [None] * len(beliefs.symbols)
    return {
        "symbol": beliefs.symbols,
        "prior_return": beliefs.prior,
        "posterior_return": beliefs.mean,
        "posterior_volatility": beliefs.volatility,
        "simulated": [symbol in simulated for symbol in beliefs.symbols],
        "spanned_return": nothing if beliefs.spanned is None else beliefs.spanned,
        "own_return": nothing if beliefs.own is None else beliefs.own,
    }


def trade_columns(
    trades: TradeList,
    currencies: Mapping[str, str],
    fx: Mapping[str, float],
    simulated: frozenset[str],
) -> Answer:
    """Rows of `trades`, in execution order, of `trade_lists`, and of `lot_sales` where sales are taxed."""
    rows = trades.rows
    columns = dict(zip(TradeRow._fields, zip(*rows, strict=True), strict=bool(rows)))
    symbols = columns.get("symbol", ())
    lines = {line.symbol: line for line in trades.taxes.lines} if trades.taxes else {}
    taxed = [_realised(lines[row.symbol]) if row.symbol in lines else {} for row in rows] if lines else []
    rates = [fx[row.symbol] if row.symbol in fx else float(row.fx_rate) for row in rows]
    floats = {name: [*map(float, columns.get(name, ()))] for name in AS_FLOATS}
    told: Columns = {
        **columns,
        **floats,
        "currency": [currencies.get(symbol) for symbol in symbols],
        "local_price": [price / rate for price, rate in zip(floats["price"], rates, strict=True)],
        "fx_rate": rates,
        "simulated": [symbol in simulated for symbol in symbols],
        "sequence": range(len(rows)),
        "numbers": json_texts(columns.get("numbers", ())),
        **{name: [line.get(name) for line in taxed] for name in (TAX_COLUMNS if lines else ())},
    }
    total = {
        **{name: getattr(trades, name) for name in (
            "nav_before", "nav_after", "cash_before", "cash_after", "bought", "sold", "costs", "cost_bps", "turnover",
            "turnover_two_way", "tracking_error", "gap", "constraints_met",
        )},
        "constraints": json_text([_flat(check) for check in trades.constraints]),
        "warnings": json_text(desk_warnings(trades.warnings, checks=trades.constraints)),
        **({name: getattr(trades.taxes, name) for name in TAX_COLUMNS} if trades.taxes else {}),
    }  # fmt: skip
    sold = sale_frame(trades.taxes) if trades.taxes else None
    sales: Answer = {} if sold is None else {"lot_sales": {str(name): list(sold[name]) for name in sold}}
    return {"trades": told, "trade_lists": one_row(total), **sales}


def _realised(line: TaxLine) -> dict[str, object]:
    gone = line.disposal
    return {
        "short_term_gain": gone.short_term_gain,
        "long_term_gain": gone.long_term_gain,
        "tax": line.tax,
    }


def no_trades(reason: str | None = None) -> Answer:
    """Empty `trades`, so that an earlier list no longer counts; and why, where the trades themselves failed."""
    row = one_row({"constraints_met": False, "warnings": json_text([reason])}) if reason else {}
    return {"trades": {}, "trade_lists": row}


AS_FLOATS = ("quantity", "price", "current_quantity", "target_quantity")
TAX_COLUMNS = ["short_term_gain", "long_term_gain", "tax"]


def weight_columns(
    solution: Solution, current: Array, shares: Array | None, simulated: frozenset[str]
) -> Columns:
    """Rows of `optimal_weights`; a bound that does not exist is NULL.

    shares  (n,) of the variance; None without means
    """
    limits = solution.feasible.limits
    names: dict[str, list[str]] = {}
    for limit in solution.binding:
        names.setdefault(limit.limit.rpartition(" ")[2], []).append(limit.limit)
    return {
        "symbol": solution.symbols,
        "weight": solution.weights,
        "current_weight": current,
        "lower": np.where(np.isfinite(limits.lower), limits.lower, np.nan),
        "upper": np.where(np.isfinite(limits.upper), limits.upper, np.nan),
        "risk_contribution": np.full(len(current), np.nan) if shares is None else shares,
        "binding": [", ".join(names.get(symbol, ())) or None for symbol in solution.symbols],
        "simulated": [symbol in simulated for symbol in solution.symbols],
    }


def shares_of_risk(solution: Solution, believed: Estimates) -> Array | None:
    """(n,) shares of the variance; None without means."""
    if believed.mean is None:
        return None
    return uncounted(risk_contributions)(solution.weights, believed.risk)


def result_row(
    solution: Solution, setting: Setting, shares: Array | None, policy: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The row of `optimization_results` for an answer; without means the fields that need them are NULL.

    shares  (n,) of the variance;  policy  that of the setting `as_json`, where it is there already
    """
    known, w = setting.estimates.mean is not None, solution.weights
    figures, held = moments(w, setting), composition(w, setting)
    of_kinds = {} if shares is None else exposure_shares(shares, setting)
    diagnostics = {
        "growth": figures["expected_growth"] if known else None,
        "diversification_ratio": figures["diversification_ratio"] if known else None,
        "effective_assets": held["effective_assets"],
        "effective_number": held["effective_number"],
        "exposure_risk": {kind.name: share for kind, share in of_kinds.items()} if known else None,
        "binding": [_flat(limit) for limit in solution.binding],
        "unmet": [_flat(limit) for limit in solution.unmet],
        "unconstrained_turnover": solution.unconstrained_turnover,
        "lane": solution.lane,
        "policy_as_applied": policy or as_json(setting.policy),
    }
    if solution.levels:
        diagnostics["levels"] = [asdict(level) for level in solution.levels]
    return {
        "method": solution.method, "status": "optimal", "objective": solution.objective,
        "expected_return": figures["expected_return"] if known else np.nan,
        "volatility": figures["expected_volatility"] if known else np.nan,
        "sharpe": figures["sharpe_ratio"] if known else np.nan,
        "notional": held["total_notional"], "cash": solution.cash, "turnover": held["turnover"],
        "constraints_met": solution.constraints_met,
        "warnings": json_text(desk_warnings(solution.warnings, solution)),
        "certificate": json_text(_flat(solution.certificate)), "solver": solution.solver,
        "diagnostics": json_text(diagnostics),
    }  # fmt: skip


def as_json(policy: Policy) -> dict[str, object]:
    """A policy as JSON values; without priorities there is no word of them."""
    found = asdict(policy)
    if not policy.priorities:
        del found["priorities"]
    for name in ("min_exposures", "max_exposures"):
        found[name] = {kind.name: bound for kind, bound in getattr(policy, name).items()}
    return found


def failure_row(method: str, status: str, reason: str) -> dict[str, object]:
    """The row of `optimization_results` for a portfolio that has no answer today."""
    return {"method": method, "status": status, "reason": reason, "constraints_met": False}


def exposure_columns(solution: Solution, universe: Universe) -> Columns:
    """Rows of `portfolio_exposures`: look-through amounts, fractions of NAV; a parent includes its children."""
    if universe.funds is None:
        return {}
    listed = universe.funds.types(solution.symbols)
    kinds = in_order(kind for own in listed for kind in (own, *own.parents))
    amounts = universe.funds.matrix(solution.symbols, kinds) @ solution.weights
    return {"exposure_type": [kind.name for kind in kinds], "amount": amounts}


def read_limits(diagnostics: str) -> tuple[tuple[Binding, ...], tuple[Unmet, ...]]:
    """The limits that bind, and those that gave way by their priority, of `optimization_results.diagnostics`."""
    kept = json.loads(diagnostics)
    unmet = (Unmet(**limit) for limit in kept["unmet"])
    return tuple(Binding(**limit) for limit in kept["binding"]), tuple(one for one in unmet if one.priority)
