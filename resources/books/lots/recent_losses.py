"""The losses of recent sales that a purchase may still disallow, in shares and under the names of today."""

from collections.abc import Callable, Collection, Sequence
from datetime import date
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

from optimizer.model.actions.action_kinds import scaled
from optimizer.model.portfolio import ZERO, exact, money
from optimizer.tax.taxes import SAME_SHARES
from optimizer.tax.wash_sales import Loss
from resources.books.pack_actions import RATIOS, actions_on_record, actions_seen, in_effect
from resources.ledger.ledger import Connection
from resources.packs.delistings import called_now, names_given_up
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack

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
    ), kept as (
        select h.pack_id, coalesce(n.company, t.symbol) as company, t.lot_id, t.quantity
        from latest_tax_lots t join held h using (pack_id)
        left join named n on n.symbol = t.symbol and h.as_of >= n.since and h.as_of < n.until
        where t.portfolio_id = $1 and h.as_of >= $2::date - 31
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
    left join kept now on now.pack_id = l.after and now.company = l.company and now.lot_id = l.lot_id
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
    named = names_given_up(con, pack)
    rows = con.execute(RECENT_LOSSES, [portfolio_id, pack.as_of, *named]).fetchall()
    if not rows:
        return []
    companies, first = {str(row[0]) for row in rows}, min(row[1] for row in rows)
    splits = _splits_since(con, pack, companies, named, first)
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
    con: Connection, pack: Pack, companies: Collection[str], named: Sequence[Sequence[Any]], first: date
) -> Callable[[str, date], Fraction]:
    """(company, day) -> shares of today for one of that day, whether closes show a split or are adjusted for it."""
    symbols = {*companies, *(old for old, now in zip(named[0], named[3], strict=True) if now in companies)}
    panel = read_panel(con, pack, sorted(companies), first, ended=True)
    seen = in_effect(actions_seen(actions_on_record(con, pack, symbols), panel, splits=True), panel)
    company = called_now(named)
    splits = [(company(one.symbol, one.day), one) for one in seen if one.kind in RATIOS]

    def ratio(wanted: str, day: date) -> Fraction:
        return prod(
            (one.ratio for name, one in splits if name == wanted and one.day > day), start=Fraction(1)
        )

    return ratio
