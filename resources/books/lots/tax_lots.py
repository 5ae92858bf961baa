"""Tax lots: as the desk states them, as the warehouse keeps them, and as a paper book carries them from day to day."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from fractions import Fraction
from functools import partial
from math import isfinite

import pandas as pd

from optimizer import Lot, Taxes, TaxPlan, TaxRates
from optimizer.model.actions.action_kinds import scaled, share_ratio
from optimizer.model.portfolio import ZERO, exact, money
from optimizer.tax.taxes import SAME_SHARES, HarvestRule
from optimizer.tax.wash_sales import Loss
from resources.ledger.ledger import Connection
from resources.packs.delistings import names_given_up
from resources.packs.pack_prices import read_panel
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


RECENT_LOSSES = """
    with fresh as (
        select p.pack_id, p.as_of from pricing_packs p where p.verdict = 'fresh' and p.as_of <= $2
        and not exists (select 1 from pricing_packs n where n.supersedes = p.pack_id and n.verdict = 'fresh')
    ), held as (
        select s.pack_id, s.mode, f.as_of from latest_portfolio_snapshots s join fresh f using (pack_id)
        where s.portfolio_id = $1 and s.problem is null
    ), named as (
        select unnest($3::varchar[]) as symbol, unnest($4::date[]) as since, unnest($5::date[]) as until,
            unnest($6::varchar[]) as company
    ), sold as (
        select s.pack_id, s.as_of, s.mode, l.symbol, coalesce(n.company, l.symbol) as company, l.lot_id, l.quantity,
            l.acquired, -l.gain as loss, coalesce(l.disallowed, 0) as disallowed
        from latest_lot_sales l join held s using (pack_id)
        left join named n on n.symbol = l.symbol and s.as_of >= n.since and s.as_of < n.until
        where l.portfolio_id = $1 and l.gain < 0 and s.as_of < $2
    ), later as (
        select sold.*, h.pack_id as after, h.as_of as seen,
            case sold.mode when 'paper' then h.as_of else sold.as_of end as day
        from sold asof join held h on sold.as_of < h.as_of where day >= $2::date - 31
    ), washed as (
        select coalesce(n.company, a.symbol) as company, date, lot_id, list(as_of order by as_of) as days,
            list(quantity order by as_of) as shares
        from latest_holding_adjustments a join fresh using (pack_id)
        left join named n on n.symbol = a.symbol and as_of >= n.since and as_of < n.until
        where a.portfolio_id = $1 and kind = 'wash_sale' and as_of < $2 group by all
    )
    select l.company, l.as_of, l.day, l.loss, l.quantity, l.lot_id, coalesce(was.held_since, l.acquired),
        l.mode = 'paper', l.seen, coalesce(was.quantity, 0), coalesce(now.quantity, 0), l.disallowed,
        coalesce(washed.days, []), coalesce(washed.shares, [])
    from later l
    left join latest_tax_lots was on was.portfolio_id = $1 and was.pack_id = l.pack_id
        and was.symbol = l.symbol and was.lot_id = l.lot_id
    left join latest_tax_lots now on now.portfolio_id = $1 and now.pack_id = l.after
        and now.symbol in (l.symbol, l.company) and now.lot_id = l.lot_id
    left join washed on washed.company = l.company and washed.date = l.day and washed.lot_id = l.lot_id
    order by l.as_of, l.company, l.lot_id
"""


def recent_losses(con: Connection, pack: Pack, portfolio_id: str) -> list[Loss]:
    """What the sales of the 31 days before lost, lot by lot, as far as no purchase has disallowed it yet.

    They are those that earlier packs' lists proposed and that were made: of a paper book all of them, on the day of the
    pack that filled them, of a live one what is gone of their lots in the holdings after it. In shares of today, under
    the names of today.
    """
    # The names of a thousand books are not asked for those few that have lost.
    lost = "select 1 from latest_lot_sales where portfolio_id = ? and gain < 0 limit 1"
    if not con.execute(lost, [portfolio_id]).fetchall():
        return []
    rows = con.execute(RECENT_LOSSES, [portfolio_id, pack.as_of, *names_given_up(con, pack)]).fetchall()
    if not rows:
        return []
    splits = _splits_since(con, pack, {str(row[0]) for row in rows}, min(row[1] for row in rows))
    found = []
    for symbol, listed, day, loss, quantity, lot_id, held_since, *how in rows:
        paper, seen, was, now, disallowed, *washed = how
        today = partial(splits, symbol)
        whole = scaled(exact(quantity), today(listed))
        if paper:
            left = whole - sum((scaled(exact(n), today(at)) for at, n in zip(*washed, strict=True)), ZERO)
        else:
            gone = scaled(exact(was), today(listed)) - scaled(exact(now), today(seen))
            left = min(gone, whole) - whole * exact(disallowed) / exact(loss)
        if left > SAME_SHARES:
            found.append(Loss(symbol, day, money(exact(loss) * left / whole), left, lot_id, held_since))
    return found


def _splits_since(
    con: Connection, pack: Pack, symbols: Iterable[str], first: date
) -> Callable[[str, date], Fraction]:
    """(symbol, day) -> shares of today for one of that day."""
    panel = read_panel(con, pack, sorted(symbols), first, ended=True)
    columns = {symbol: column for column, symbol in enumerate(panel.symbols)}

    def ratio(symbol: str, day: date) -> Fraction:
        found = Fraction(1)
        for told, split in zip(panel.dates, panel.split[:, columns[symbol]].tolist(), strict=True):
            found *= share_ratio(split) if told > day and isfinite(split) else 1
        return found

    return ratio
