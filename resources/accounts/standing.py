"""What rebalance rules are held against: the newest earlier target weights and orders, as the warehouse has them."""

from collections.abc import Mapping, Sequence

from optimizer.proposals.rebalance_rules import Standing
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, previous_fresh

# Of each earlier date the pack that counts, the newest fresh revision, and of each portfolio under it the newest rows;
# all as on record when the pack was cut, so that a day that is computed again later is decided alike.
KNOWN = """
    with packs as (
        select p.pack_id, p.as_of, p.revision, m.id as cut from pricing_packs p
        join materializations m on m.asset = 'pricing_packs' and m.pack_id = p.pack_id where p.verdict = 'fresh'
    ), this as (
        select min(cut) as cut from packs where pack_id = $1
    ), earlier as (
        select pack_id, as_of from packs where as_of < $2 and cut < (select cut from this)
        qualify row_number() over (partition by as_of order by revision desc) = 1
    ), known as (
        select pack_id, portfolio_id, max(materialization) as id from versions
        where asset = $3 and portfolio_id in (select unnest($4)) and materialization < (select cut from this)
        group by all
    )
"""


def read_standings(
    con: Connection, pack: Pack, portfolio_ids: Sequence[str], names: Mapping[str, str]
) -> dict[str, Standing]:
    """Id -> standing of each portfolio before a pack; names: symbol -> what it is called now.

    The target is that of the newest earlier pack whose weights were found; a day inside the rules leaves it as it was.
    """
    ids = list(portfolio_ids)
    rows = con.execute(
        f"""{KNOWN}, newest as (
            select r.portfolio_id, arg_max(v.id, as_of) as id from optimization_results r
            join known v on r.materialization = v.id and r.portfolio_id = v.portfolio_id
            join earlier e on e.pack_id = r.pack_id where r.status = 'optimal' group by 1
        )
        select w.portfolio_id, w.symbol, w.weight from optimal_weights w
        join newest n on w.materialization = n.id and w.portfolio_id = n.portfolio_id where w.weight <> 0 order by 1, 2
        """,
        [pack.id, pack.as_of, "optimal_weights", ids],
    ).fetchall()
    targets: dict[str, dict[str, float]] = {}
    for key, symbol, weight in rows:
        own, name = targets.setdefault(str(key), {}), names.get(str(symbol), str(symbol))
        own[name] = own.get(name, 0.0) + float(weight)  # two shares may have become one
    traded = con.execute(
        f"""{KNOWN} select t.portfolio_id, max(as_of) from trade_lists t
        join known v on t.materialization = v.id and t.portfolio_id = v.portfolio_id
        join earlier e on e.pack_id = t.pack_id where bought + sold > 0 group by 1
        """,
        [pack.id, pack.as_of, "trades", ids],
    ).fetchall()
    last = {str(key): day for key, day in traded}
    before = previous_fresh(con, pack.as_of)
    day = before.as_of if before else None
    return {key: Standing(targets.get(key, {}), day, last.get(key)) for key in ids}
