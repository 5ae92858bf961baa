"""Why a symbol is traded or not: the recorded reason, the numbers behind it, and the limits that keep a name out."""

import json
from collections.abc import Sequence

from optimizer import PolicyError
from optimizer.errors import meant
from optimizer.solvers.audit import Binding
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, find_pack
from resources.results.queries import decoded
from resources.store.query_rows import Row, rows

NEITHER = "NONE"  # the action of a symbol that is neither held nor traded


def explanation(con: Connection, pack_id: str, symbol: str, portfolio: str | None = None) -> list[Row]:
    """Why a symbol is traded or not, in every portfolio that has it; where none has, in those that might.

    Raises PolicyError where none knows it.
    """
    pack = find_pack(con, pack_id)
    found = rows(
        con,
        "select s.name, s.portfolio_id, s.universe, $2 as symbol, t.* exclude (pack_id, portfolio_id, symbol), "
        "w.weight, w.current_weight as weight_now, w.lower, w.upper, w.risk_contribution, w.binding, "
        "r.status, r.reason, r.diagnostics, p.prior_return, p.posterior_return, "
        "p.posterior_volatility, e.expected_return as historical_return, e.volatility, e.recipe "
        "from latest_portfolio_snapshots s "
        "left join latest_trades t on (t.pack_id, t.portfolio_id, t.symbol) = (s.pack_id, s.portfolio_id, $2) "
        "left join latest_optimal_weights w on (w.pack_id, w.portfolio_id, w.symbol) = (s.pack_id, s.portfolio_id, $2) "
        "left join latest_optimization_results r on (r.pack_id, r.portfolio_id) = (s.pack_id, s.portfolio_id) "
        "left join latest_posterior_returns p on (p.pack_id, p.portfolio_id, p.symbol) = "
        "(s.pack_id, s.portfolio_id, $2) "
        "left join latest_return_estimates e on (e.pack_id, e.symbol) = (s.pack_id, $2) "
        "where s.pack_id = $1 and coalesce(s.name = $3 or s.portfolio_id = $3, true) "
        "qualify row_number() over (partition by s.name order by e.recipe) = 1 order by s.name",
        [pack.id, symbol, portfolio],
    )
    told = [one for one in (_told(row) for row in found) if one is not None]
    told = [one for one in told if one["action"] != NEITHER] or told
    if not told:
        raise PolicyError(_stranger(con, pack, symbol, portfolio))
    lots = _lots(con, pack, [row["portfolio_id"] for row in told], symbol)
    return [row | {"lots": lots.get(row["portfolio_id"], [])} for row in told]


def _told(row: Row) -> Row | None:
    """The row of a symbol that is traded or held, or with the reason why not; None where nothing is known of it."""
    universe, diagnostics = json.loads(row.pop("universe")), row.pop("diagnostics")
    weight, now, status, why = (row.pop(name) for name in ("weight", "weight_now", "status", "reason"))
    if row["action"] is not None:
        return decoded(row)
    symbol = row["symbol"]
    if weight is not None:
        limits = [Binding(**limit) for limit in json.loads(diagnostics or "{}").get("binding", ())]
        said = _why_not(symbol, weight, row["upper"], symbol in universe.get("investable", [symbol]), limits)
    elif symbol in universe.get("excluded", {}):
        said = f"kept out of the universe: {universe['excluded'][symbol]}"
    elif why and symbol in universe.get("symbols", ()):
        said = f"there is no answer ({status}): {why}"
    else:
        return None
    achieved = None if weight is None else 0.0
    return row | {
        "action": NEITHER, "quantity": 0.0, "rationale": said, "current_weight": now, "target_weight": weight,
        "achieved_weight": achieved,
    }  # fmt: skip


def _why_not(symbol: str, weight: float, upper: float | None, investable: bool, limits: list[Binding]) -> str:
    """Why nothing is held of a symbol that the solve knew.

    weight  its target, a fraction;  upper  the most that it may be, None without a bound
    """
    if weight:
        return f"the target is {weight:.3%}, and the list of orders buys none of it"
    own = [limit.told(two_way=True) for limit in limits if limit.limit.endswith(f" {symbol}")]
    if own:
        return f"kept out: {'; '.join(own)}"
    if not investable:
        return "kept out: it is not in the universe of what may be bought"
    if upper == 0:
        return "kept out: its limits allow none of it"
    of_one = ("min_weight ", "max_weight ", "max_holdings ", "min_position ")
    shared = [limit.limit for limit in limits if not limit.limit.startswith(of_one)]
    under = f", under what binds for the whole book: {', '.join(shared)}" if shared else ""
    return f"no limit of its own keeps it out: the goal is better served without it{under}"


def _stranger(con: Connection, pack: Pack, symbol: str, portfolio: str | None) -> str:
    listed = rows(
        con,
        "select distinct symbol from (select pack_id, portfolio_id, symbol from latest_trades "
        "union all select pack_id, portfolio_id, symbol from latest_optimal_weights) "
        "join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
        "where pack_id = $1 and coalesce(s.name = $2 or portfolio_id = $2, true) order by 1",
        [pack.id, portfolio],
    )
    whose = f"{portfolio} in {pack.id}" if portfolio else pack.id
    return f"{whose} neither holds nor trades {symbol!r}; {meant(symbol, [row['symbol'] for row in listed])}"


def _lots(con: Connection, pack: Pack, wanted: Sequence[str], symbol: str) -> dict[str, list[Row]]:
    """Portfolio -> the tax lots held of a symbol, and what the trades sell and realise of each, in one look for all."""
    found: dict[str, list[Row]] = {}
    for row in rows(
        con,
        "select portfolio_id, t.lot_id, t.acquired, t.quantity, t.cost_basis, l.quantity as sold, l.gain, l.long_term "
        "from latest_tax_lots t left join latest_lot_sales l using (pack_id, portfolio_id, symbol, lot_id) "
        "where pack_id = ? and portfolio_id in (select unnest(?::varchar[])) and symbol = ? "
        "order by t.acquired, t.lot_id",
        [pack.id, list(wanted), symbol],
    ):
        found.setdefault(row.pop("portfolio_id"), []).append(row)
    return found
