"""Tax lots: as the desk states them, as the warehouse keeps them, and as a paper book carries them from day to day."""

from collections.abc import Mapping

import pandas as pd

from optimizer import Lot, Taxes, TaxPlan, TaxRates
from optimizer.model.portfolio import ZERO, exact
from optimizer.tax.taxes import HarvestRule
from resources.books.lots.recent_losses import recent_losses
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.settings.policies.policy_schema import PolicyFile

Lots = Mapping[str, tuple[Lot, ...]]
LOT_COLUMNS = ["symbol", "lot_id", "quantity", "cost_basis", "acquired", "held_since"]
SALE_COLUMNS = [
    "symbol", "lot_id", "quantity", "proceeds", "cost_basis", "gain", "disallowed", "long_term", "acquired",
]  # fmt: skip


def average_costs(lots: Lots) -> dict[str, float]:
    """Symbol -> average cost per share, base currency."""
    return {
        symbol: float(
            sum((lot.quantity * lot.cost_basis for lot in held), ZERO)
            / sum((lot.quantity for lot in held), ZERO)
        )
        for symbol, held in lots.items()
    }


def lot_frame(lots: Lots) -> pd.DataFrame:
    """Rows of `tax_lots`."""
    found = [
        {
            "symbol": symbol, "lot_id": lot.lot_id, "quantity": float(lot.quantity),
            "cost_basis": float(lot.cost_basis), "acquired": lot.acquired, "held_since": lot.held_since,
        }
        for symbol, held in sorted(lots.items())
        for lot in held
    ]  # fmt: skip
    return pd.DataFrame(found, columns=LOT_COLUMNS)


def read_lots(con: Connection, pack: Pack, portfolio_id: str | None) -> dict[str, dict[str, tuple[Lot, ...]]]:
    """Portfolio -> the lots that it held under a pack, of one portfolio or of all that have any."""
    found: dict[str, dict[str, tuple[Lot, ...]]] = {}
    for key, symbol, lot_id, quantity, cost, acquired, held_since in con.execute(
        "select portfolio_id, symbol, lot_id, quantity, cost_basis, acquired, held_since from latest_tax_lots "
        "where pack_id = $1 and ($2 is null or portfolio_id = $2) order by portfolio_id, symbol, acquired, lot_id",
        [pack.id, portfolio_id],
    ).fetchall():
        lot, own = (
            Lot(lot_id, symbol, exact(quantity), exact(cost), acquired, held_since),
            found.setdefault(key, {}),
        )
        own[symbol] = (*own.get(symbol, ()), lot)
    return found


def sale_frame(taxes: Taxes) -> pd.DataFrame:
    """Rows of `lot_sales`: what each sale takes of each lot."""
    found = [
        {
            "symbol": part.symbol, "lot_id": part.lot_id, "quantity": float(part.quantity),
            "proceeds": part.proceeds, "cost_basis": part.cost, "gain": part.gain,
            "disallowed": line.disallowed(part.lot_id) or None, "long_term": part.long_term, "acquired": part.acquired,
        }
        for line in taxes.lines
        for part in line.disposal.realised
    ]  # fmt: skip
    return pd.DataFrame(found, columns=SALE_COLUMNS)


def read_plan(
    con: Connection, pack: Pack, portfolio_id: str, lots: Lots, policy: PolicyFile
) -> TaxPlan | None:
    """What the sales of a day are taxed by; None where the policy does not say."""
    told, harvest = policy.tax, policy.harvest
    if told is None:
        return None
    return TaxPlan(
        lots=lots,
        day=pack.as_of,
        method=told.method,
        order=told.order,
        rates=TaxRates(told.short_rate_pct / 100, told.long_rate_pct / 100),
        in_costs=told.in_costs,
        losses=recent_losses(con, pack, portfolio_id),
        harvest=None if harvest is None else HarvestRule(harvest.substitutes, harvest.min_loss),
    )
