"""What rebalance rules are held against: the newest earlier target weights and orders, as the warehouse has them."""

from collections.abc import Sequence

from optimizer.trading.rebalance_rules import Standing
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, previous_fresh

# Of each earlier date the pack that counts, the newest fresh revision.
EARLIER = (
    "select pack_id, as_of from pricing_packs where verdict = 'fresh' and as_of < $1 "
    "qualify row_number() over (partition by as_of order by revision desc) = 1"
)


def read_standings(con: Connection, pack: Pack, portfolio_ids: Sequence[str]) -> dict[str, Standing]:
    """Id -> standing of each portfolio before a pack.

    The target is that of the newest earlier pack whose weights were found; a day inside the rules leaves it as it was.
    """
    wanted: list[object] = [pack.as_of, list(portfolio_ids)]
    targets: dict[str, dict[str, float]] = {}
    rows = con.execute(
        f"""
        with earlier as ({EARLIER}), newest as (
            select r.portfolio_id, arg_max(pack_id, as_of) as pack_id from latest_optimization_results r
            join earlier using (pack_id)
            where r.status = 'optimal' and r.portfolio_id in (select unnest($2)) group by 1
        )
        select w.portfolio_id, w.symbol, w.weight from latest_optimal_weights w
        join newest using (portfolio_id, pack_id) where w.weight <> 0 order by 1, 2
        """,
        wanted,
    ).fetchall()
    for key, symbol, weight in rows:
        targets.setdefault(str(key), {})[str(symbol)] = float(weight)
    traded = dict(
        con.execute(
            f"with earlier as ({EARLIER}) select portfolio_id, max(as_of) from latest_trade_lists "
            "join earlier using (pack_id) where bought + sold > 0 and portfolio_id in (select unnest($2)) group by 1",
            wanted,
        ).fetchall()
    )
    before = previous_fresh(con, pack.as_of)
    day = before.as_of if before else None
    return {key: Standing(targets.get(key, {}), day, traded.get(key)) for key in portfolio_ids}
