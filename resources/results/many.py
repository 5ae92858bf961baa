"""Many portfolios as sums: how many had which outcome, how measures are spread over them, and the worst of them."""

from resources.ledger.ledger import Connection
from resources.packs.packs import find_pack
from resources.results.pack_notes import notes_of
from resources.store.query_rows import Row, rows

FEW = 10  # portfolios that are shown one by one
WORST = 20
MEASURES = ("volatility", "turnover", "cost_bps", "tracking_error")

ANSWERS = """
    select s.name, coalesce(r.status, 'not computed') as outcome, r.volatility, t.turnover, t.cost_bps,
        t.tracking_error, t.constraints_met, t.bought, t.sold, coalesce(s.problem, r.reason,
            case when not t.constraints_met then coalesce(r.warnings ->> 0, t.warnings ->> 0) end) as reason
    from latest_portfolio_snapshots s left join latest_optimization_results r using (pack_id, portfolio_id)
        left join latest_trade_lists t using (pack_id, portfolio_id) where pack_id = $1
"""
# Those without an answer, those that break a limit, the others by their costs, and at last those that need no trade.
ORDER = """
    case when outcome = 'no_trade' then 3 when outcome <> 'optimal' then 0 when not constraints_met then 1 else 2 end,
    cost_bps desc nulls last, name
"""


def portfolio_count(con: Connection, pack_id: str) -> int:
    """How many portfolios a pack serves; raises DataError for a pack that is not on record."""
    counted = "select count(*) from latest_portfolio_snapshots where pack_id = ?"
    return int(con.execute(counted, [find_pack(con, pack_id).id]).fetchall()[0][0])


def summary_of(con: Connection, pack_id: str) -> Row:
    """A pack's portfolios as sums: outcomes, totals of money by base currency, spread of measures, the worst.

    Raises DataError for a pack that is not on record.
    """
    pack = find_pack(con, pack_id)
    spread = [
        row
        for measure in MEASURES
        for row in rows(
            con,
            f"select '{measure}' as measure, count(x) as portfolios, min(x) as lowest, median(x) as median, "
            f'quantile_cont(x, 0.95) as "95%", max(x) as highest from (select {measure} as x from ({ANSWERS}))',
            [pack.id],
        )
        if row["portfolios"]
    ]
    return {
        "pack_id": pack.id,
        "as_of": pack.as_of,
        "notes": notes_of(con, pack),
        "outcomes": rows(
            con,
            "select outcome, constraints_met, count(*) as portfolios, count(*) filter (bought + sold > 0) as trading "
            f"from ({ANSWERS}) group by all order by portfolios desc, outcome, constraints_met",
            [pack.id],
        ),
        "spread": spread,
        "worst": rows(
            con,
            f"select name, outcome, turnover, cost_bps, reason from ({ANSWERS}) "
            f"order by {ORDER} limit {WORST}",
            [pack.id],
        ),
    }
