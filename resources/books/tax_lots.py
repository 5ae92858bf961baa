"""Tax lots: as the desk states them, as the warehouse keeps them, and as a paper book carries them from day to day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

import pandas as pd

from optimizer.model.portfolio import ZERO, exact, money
from optimizer.tax.lots import Lot, TaxRates
from optimizer.tax.taxes import HarvestRule, Taxes, TaxPlan
from resources.packs.packs import Pack
from resources.settings.policy_schema import PolicyFile
from resources.store.ledger import Connection

Lots = Mapping[str, tuple[Lot, ...]]
LOT_COLUMNS = ["symbol", "lot_id", "quantity", "cost_basis", "acquired"]
SALE_COLUMNS = ["symbol", "lot_id", "quantity", "proceeds", "cost_basis", "gain", "long_term", "acquired"]


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
            "cost_basis": float(lot.cost_basis), "acquired": lot.acquired,
        }
        for symbol, held in sorted(lots.items())
        for lot in held
    ]  # fmt: skip
    return pd.DataFrame(found, columns=LOT_COLUMNS)


def read_lots(con: Connection, pack: Pack, portfolio_id: str) -> dict[str, tuple[Lot, ...]]:
    """The lots that a portfolio held under a pack."""
    found: dict[str, tuple[Lot, ...]] = {}
    for symbol, lot_id, quantity, cost, acquired in con.execute(
        "select symbol, lot_id, quantity, cost_basis, acquired from latest_tax_lots "
        "where pack_id = ? and portfolio_id = ? order by symbol, acquired, lot_id",
        [pack.id, portfolio_id],
    ).fetchall():
        lot = Lot(lot_id, symbol, exact(quantity), exact(cost), acquired)
        found[symbol] = (*found.get(symbol, ()), lot)
    return found


def sale_frame(taxes: Taxes, plan: TaxPlan) -> pd.DataFrame:
    """Rows of `lot_sales`: what each sale takes of each lot."""
    bought = {(lot.symbol, lot.lot_id): lot.acquired for held in plan.lots.values() for lot in held}
    found = [
        {
            "symbol": part.symbol, "lot_id": part.lot_id, "quantity": float(part.quantity),
            "proceeds": part.proceeds, "cost_basis": part.cost, "gain": part.gain, "long_term": part.long_term,
            "acquired": bought[part.symbol, part.lot_id],
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
        losses=_losses(con, pack, portfolio_id),
        harvest=None if harvest is None else HarvestRule(harvest.substitutes, harvest.min_loss),
    )


def _losses(con: Connection, pack: Pack, portfolio_id: str) -> list[tuple[str, date, Decimal]]:
    """(symbol, date, loss) of the sales that earlier packs' lists proposed and that were made, of the 31 days before.

    Those of a paper book were all made. Of a live one's, what is gone of their lots in the holdings after it.
    """
    found = con.execute(
        """
        with fresh as (
            select p.pack_id, p.as_of from pricing_packs p where p.verdict = 'fresh' and p.as_of <= $2
            and not exists (select 1 from pricing_packs n where n.supersedes = p.pack_id and n.verdict = 'fresh')
        ), held as (
            select s.pack_id, s.mode, f.as_of from latest_portfolio_snapshots s join fresh f using (pack_id)
            where s.portfolio_id = $1 and s.problem is null
        ), sold as (
            select s.pack_id, s.as_of, s.mode, l.symbol, l.lot_id, l.quantity, -l.gain as loss from latest_lot_sales l
            join held s using (pack_id)
            where l.portfolio_id = $1 and l.gain < 0 and s.as_of < $2 and s.as_of >= $2::date - 31
        ), later as (
            select sold.*, h.pack_id as after from sold asof join held h on sold.as_of < h.as_of
        ), made as (
            select l.symbol, l.as_of, l.loss, case when l.mode = 'paper' then 1.0 else
                least((coalesce(was.quantity, 0) - coalesce(now.quantity, 0)) / l.quantity, 1.0) end as share
            from later l
            left join latest_tax_lots was on was.portfolio_id = $1 and was.pack_id = l.pack_id
                and was.symbol = l.symbol and was.lot_id = l.lot_id
            left join latest_tax_lots now on now.portfolio_id = $1 and now.pack_id = l.after
                and now.symbol = l.symbol and now.lot_id = l.lot_id
        )
        select symbol, as_of, loss, share from made where share > 1e-9 order by as_of, symbol, loss
        """,
        [portfolio_id, pack.as_of],
    ).fetchall()
    losses: dict[tuple[str, date], Decimal] = {}
    for symbol, day, loss, share in found:
        key = str(symbol), day
        losses[key] = losses.get(key, ZERO) + money(exact(loss) * exact(share))
    return [(symbol, day, loss) for (symbol, day), loss in losses.items()]


@dataclass(frozen=True)
class LotBook:
    """The lots of a paper book under the pack before, and what that pack's list sold of each.

    sold      symbol -> lot id -> shares;  averaged  whether sales are at the average cost
    """

    lots: Lots = field(default_factory=dict)
    sold: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    averaged: bool = False

    def after(self, symbol: str, split: Decimal, filled: "Fill | None") -> tuple[Lot, ...]:
        """The lots of a symbol after splits (shares now for one then), and after its order where that was filled."""
        gone = self.sold.get(symbol, {}) if filled else {}
        lots = self.lots.get(symbol, ())
        if gone and self.averaged:
            average = exact(average_costs({symbol: lots})[symbol])
            lots = tuple(replace(lot, cost_basis=average) for lot in lots)
        kept = [
            replace(
                lot,
                quantity=(lot.quantity - gone.get(lot.lot_id, ZERO)) * split,
                cost_basis=lot.cost_basis / split,
            )
            for lot in lots
            if lot.quantity > gone.get(lot.lot_id, ZERO)
        ]
        return (*kept, *(filled.bought(symbol) if filled else ()))


@dataclass(frozen=True)
class Fill:
    """One order filled: signed shares, price per share and cost in base currency, and the day."""

    change: Decimal
    price: Decimal
    cost: Decimal
    day: date

    def bought(self, symbol: str) -> Sequence[Lot]:
        """The lot that a purchase makes; its cost is part of what the shares cost."""
        if self.change <= 0:
            return ()
        each = self.price + self.cost / self.change
        return (Lot(f"{symbol}-{self.day:%Y%m%d}", symbol, self.change, each, self.day),)


def read_lot_book(con: Connection, previous: Pack, portfolio_id: str, policy: PolicyFile) -> LotBook | None:
    """What a paper book carries on; None where it keeps no lots."""
    lots = read_lots(con, previous, portfolio_id)
    if policy.tax is None and not lots:
        return None
    sold: dict[str, dict[str, Decimal]] = {}
    for symbol, lot_id, quantity in con.execute(
        "select symbol, lot_id, quantity from latest_lot_sales where pack_id = ? and portfolio_id = ? order by all",
        [previous.id, portfolio_id],
    ).fetchall():
        sold.setdefault(symbol, {})[lot_id] = exact(quantity)
    found = con.execute(
        "select policy from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ?",
        [previous.id, portfolio_id],
    ).fetchall()
    before = PolicyFile.model_validate_json(found[0][0]).tax
    return LotBook(lots, sold, before is not None and before.method == "average")
