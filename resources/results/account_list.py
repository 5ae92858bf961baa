"""The accounts of a pack: searched, counted by model and outcome, a page at a time; and one of them whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer import PolicyError
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, find_pack
from resources.results.queries import trades_of
from resources.store.query_rows import Row, rows

OUTCOMES = ("trades", "no_trade", "no_orders", "no_answer", "problem", "not_computed")
# Letters as they are searched: García is found as garcia, Straße as strasse, and the reverse, however they are written.
LETTERS = "replace(strip_accents(lower(nfc_normalize({}))), 'ß', 'ss')"
SEARCHED = LETTERS.format("portfolio_id || ' ' || name")
# One row a portfolio; what the rules of `outcome` mean stands in docs/how-to/many-accounts.md.
ACCOUNTS = f"""
    with seen as (
        select s.portfolio_id, s.name, coalesce(s.model, '(own)') as model, s.mode, s.base_currency, s.holdings_date,
            t.nav_before as value, t.turnover, t.costs,
            case when s.problem is not null then 'problem' when r.status is null then 'not_computed'
                when r.status = 'no_trade' then 'no_trade' when r.status <> 'optimal' then 'no_answer'
                when t.bought + t.sold > 0 then 'trades' else 'no_orders' end as outcome,
            coalesce(s.problem, r.reason) as reason
        from latest_portfolio_snapshots s
        left join latest_optimization_results r using (pack_id, portfolio_id)
        left join latest_trade_lists t using (pack_id, portfolio_id)
        where s.pack_id = $pack
    ), found as (
        from seen where ($search is null or contains({SEARCHED}, {LETTERS.format("$search")}))
            and ($model is null or model = $model) and ($outcome is null or outcome = $outcome)
            and ($mine is null or list_contains($mine, portfolio_id))
    )
"""


def letters(con: Connection, texts: Sequence[str]) -> list[str]:
    """Texts as they are searched."""
    told = con.execute(
        f"select list_transform($texts, lambda x: {LETTERS.format('x')})", {"texts": list(texts)}
    )
    return [str(one) for (every,) in told.fetchall() for one in every]


@dataclass(frozen=True)
class Wanted:
    """Which accounts are asked for; None asks for all.

    search  part of a key or name;  mine  keys that the caller may see;  limit, offset  the page
    """

    search: str | None = None
    model: str | None = None
    outcome: str | None = None
    mine: tuple[str, ...] | None = None
    limit: int = 50
    offset: int = 0


def accounts_page(con: Connection, pack_id: str, wanted: Wanted) -> Row:
    """The accounts that are wanted, by key, and how many there are of each model and outcome.

    Raises PolicyError for an outcome that there is not.
    """
    if wanted.outcome is not None and wanted.outcome not in OUTCOMES:
        raise PolicyError(f"there is no outcome {wanted.outcome!r}; they are {', '.join(OUTCOMES)}")
    pack = find_pack(con, pack_id)
    asked: dict[str, object] = {
        "pack": pack.id, "search": wanted.search, "model": wanted.model, "outcome": wanted.outcome,
        "mine": None if wanted.mine is None else list(wanted.mine),
    }  # fmt: skip

    def ask(sql: str, **more: object) -> list[Row]:
        found = con.execute(ACCOUNTS + sql, {**asked, **more})
        names = [item[0] for item in found.description or []]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]

    counts = ask("select model, outcome, count(*) as accounts from found group by all order by all")
    page = ask(
        "from found order by portfolio_id limit $limit offset $offset",
        limit=wanted.limit,
        offset=wanted.offset,
    )
    there = sum(row["accounts"] for row in counts)
    return {"pack_id": pack.id, "as_of": pack.as_of, "there": there, "counts": counts, "accounts": page}


def account_details(con: Connection, pack_id: str, key: str) -> Row:
    """One account under a pack: its rows as known then, what is held, and its trades; by key, name or id."""
    pack = find_pack(con, pack_id)
    (found,) = trades_of(con, pack.id, key)["portfolios"]
    return {"pack_id": pack.id, "as_of": pack.as_of, **found, **_told(con, pack, str(found["portfolio_id"]))}


def _told(con: Connection, pack: Pack, key: str) -> Row:
    known: list[object] = [pack.as_of, pack.watermark, key]
    said = rows(
        con,
        "select name, model, base_currency, cash_buffer, tax_status, date as valid_from "
        "from known_accounts(?, ?) where account = ?",
        known,
    )
    return {
        "account": said[0] if said else None,
        "holdings": rows(
            con,
            "select symbol, quantity, cost_basis from latest_holdings where pack_id = ? and portfolio_id = ? "
            "order by 1",
            [pack.id, key],
        ),
        "flows": rows(
            con,
            "select date, amount, currency, note from known_flows(?, ?) where account = ? order by 1",
            known,
        ),
        "restrictions": rows(
            con,
            "select symbol, kind, reason, date as valid_from, until from known_restrictions(?, ?) "
            "where account = ? order by 1, 2",
            known,
        ),
        "set_aside": rows(
            con,
            "select log, date, symbol, code, reason from quarantine where account = ? and ingest_seq <= ? order by all",
            [key, pack.watermark],
        ),
    }
