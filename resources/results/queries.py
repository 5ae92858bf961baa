"""What the CLI and the service show, read from the published copy as plain values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimizer import DataError
from optimizer.errors import how_many
from resources.accounts.keys import key_of
from resources.books.day_before import out_of_date
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack, find_pack, latest_fresh
from resources.results.pack_notes import CAVEATS, book_notes, notes_of
from resources.store.query_rows import Row, rows


def newest_pack(con: Connection) -> Pack:
    """The newest fresh pack."""
    return latest_fresh(con)


def portfolios_of(con: Connection, pack: Pack, wanted: str | None) -> list[Row]:
    """The portfolios of a pack, or the one named.

    Raises PolicyError that lists them for an unknown one, DataError where nothing was computed under the pack.
    """
    found = rows(
        con,
        "select portfolio_id, name, mode, base_currency, cash, problem from latest_portfolio_snapshots "
        "where pack_id = ? order by name",
        [pack.id],
    )
    if not found:
        raise DataError(
            f"{pack.id} was rejected, {pack.reason}: nothing is computed from it; see `packfolio packs show {pack.id}`"
            if pack.verdict == "rejected"
            else f"nothing was computed under {pack.id}; `packfolio run --as-of {pack.as_of}` computes what is newest"
        )
    if wanted is None:
        return found
    known = [(row["portfolio_id"], row["name"]) for row in found]
    key = key_of(known, wanted, f"{pack.id} has no portfolio {wanted!r}")
    return [row for row in found if row["portfolio_id"] == key]


def trades_of(con: Connection, pack_id: str, portfolio: str | None = None) -> Row:
    """Trades, totals and results of a pack's portfolios."""
    pack = find_pack(con, pack_id)
    known = portfolios_of(con, pack, portfolio)
    wanted = [found["portfolio_id"] for found in known]
    result, totals, orders, sales, schedule, adjustments = (
        by_portfolio(con, pack, table, wanted, order)
        for table, order in (
            ("optimization_results", "all"), ("trade_lists", "all"), ("trades", "portfolio_id, sequence"),
            ("lot_sales", "all"), ("trade_schedule", "portfolio_id, symbol, day"), ("holding_adjustments", "all"),
        )
    )  # fmt: skip
    shown = []
    for found in known:
        owner = found["portfolio_id"]
        shown.append(
            {
                **found,
                "result": decoded(result[owner][0]) if owner in result else None,
                "totals": decoded(totals[owner][0]) if owner in totals else None,
                "trades": [decoded(order) for order in orders.get(owner, [])],
                "lot_sales": sales.get(owner, []),
                "trade_schedule": schedule.get(owner, []),
                "adjustments": adjustments.get(owner, []),
            }
        )
    names = {found["name"] for found in shown}
    behind = [str(late) for late in out_of_date(con) if late.portfolio in names]
    return {
        "pack_id": pack.id, "as_of": pack.as_of, "verdict": pack.verdict,
        "notes": [*notes_of(con, pack), *book_notes(shown), *behind], "portfolios": shown,
    }  # fmt: skip


def by_portfolio(
    con: Connection, pack: Pack, table: str, wanted: Sequence[str], order: str
) -> dict[str, list[Row]]:
    """Portfolio -> its rows of an output table in an order, in one look for all: each look reads the whole pack."""
    found: dict[str, list[Row]] = {}
    for row in rows(
        con,
        f"select portfolio_id, * exclude (pack_id, portfolio_id, materialization) from latest_{table} "
        f"where pack_id = ? and portfolio_id in (select unnest(?::varchar[])) order by {order}",
        [pack.id, list(wanted)],
    ):
        found.setdefault(row.pop("portfolio_id"), []).append(row)
    return found


JSON_COLUMNS = ("warnings", "certificate", "diagnostics", "constraints", "numbers")


def decoded(row: Row) -> Row:
    """A row with its columns of JSON read."""
    return {
        name: json.loads(value) if name in JSON_COLUMNS and isinstance(value, str) else value
        for name, value in row.items()
    }


def packs_table(con: Connection) -> list[Row]:
    """Every pack, the newest first."""
    return rows(
        con,
        "select pack_id, as_of, verdict, symbols, rows, supersedes, reason, left(content_hash, 12) as content, "
        "quality, created_at from pricing_packs order by as_of desc, revision desc",
    )


def pack_details(con: Connection, pack_id: str) -> Row:
    """One pack with its findings, what was noted of its sources' files, its logs and portfolios."""
    from resources.packs.missing_data import noted_of_deliveries  # and numpy, for this question alone

    pack = find_pack(con, pack_id)
    row = rows(con, "select * from pricing_packs where pack_id = ?", [pack.id])[0]
    later = rows(con, "select pack_id, reason from pricing_packs where supersedes = ?", [pack.id])
    findings = rows(
        con,
        "select distinct code, severity, symbol, date, message from check_findings where pack_id = $1 "
        "or (pack_id is null and materialization <= $2 and code in (select unnest($3))) order by all",
        [pack.id, pack.watermark, list(CAVEATS)],
    )
    logs = rows(
        con,
        "select log, count(distinct date) as dates, max(date) as newest, max(ingest_seq) as ingest_seq "
        "from log_leaves where date <= ? and ingest_seq <= ? group by log order by log",
        [pack.as_of, pack.watermark],
    )
    written = rows(
        con,
        "with covered as (select materialization, count(*) as portfolios from materialization_units where pack_id = $1 "
        "group by all) select id, asset, portfolio_id, portfolios, rows, left(content_hash, 12) as content, "
        'm."at", m.run_id from materializations m left join covered c on c.materialization = m.id '
        "where pack_id = $1 order by id",
        [pack.id],
    )
    noted = noted_of_deliveries(con, pack.watermark, pack.as_of)
    return {
        **row, "superseded_by": later, "logs": logs, "findings": findings, "noted_of_deliveries": noted,
        "materializations": written,
    }  # fmt: skip


ATTRIBUTED = "strategy, breakdown, abs(contribution) desc, part, effect"


def backtest_of(con: Connection, pack_id: str, portfolio: str | None = None) -> Row:
    """The measures of a pack's backtests by portfolio and strategy, and where the returns came from."""
    pack = find_pack(con, pack_id)
    known = portfolios_of(con, pack, portfolio)
    wanted = [found["portfolio_id"] for found in known]
    attribution = by_portfolio(con, pack, "backtest_attribution", wanted, ATTRIBUTED)
    measures = by_portfolio(con, pack, "backtest_summary", wanted, "portfolio_id, strategy, metric, value")
    shown: dict[str, dict[str, Row]] = {}
    parts = {}
    for found in known:
        owner, by_strategy = found["portfolio_id"], shown.setdefault(found["name"], {})
        parts[found["name"]] = [
            {name: row[name] for name in ("strategy", "breakdown", "part", "effect", "contribution")}
            for row in attribution.get(owner, [])
        ]
        for row in measures.get(owner, []):
            by_strategy.setdefault(row["strategy"], {})[row["metric"]] = row["value"]
    notes = [*notes_of(con, pack), *_knowledge_of(con, pack), *_cut_short(shown)]
    return {"pack_id": pack.id, "notes": notes, "portfolios": shown, "attribution": parts}


def _cut_short(shown: Row) -> Iterator[str]:
    """The strategies that kept yesterday's weights for want of an answer, or lost all."""
    for portfolio, strategies in shown.items():
        for name, measures in strategies.items():
            if skipped := measures.get("skipped_count"):
                yield f"{portfolio}, {name}: {how_many(int(skipped), 'decision')} kept the weights of the day before"
            if measures.get("total_return") == -1:
                yield f"{portfolio}, {name}: all was lost, and the strategy ends there"


def _knowledge_of(con: Connection, pack: Pack) -> list[str]:
    """What the decisions of a pack's newest backtest saw."""
    from optimizer.backtests.report import KNOWLEDGE

    settings = settings_of(con, pack, "backtest_results", "pipeline.yaml")
    if settings is None:
        return []
    return [f"Backtest: {KNOWLEDGE[settings.get('backtest', {}).get('knowledge', 'final')]}"]


def settings_of(con: Connection, pack: Pack, asset: str, file: str) -> dict[str, Any] | None:
    """A file of the configuration of a stage's newest ledger row; None without a row, {} without a file."""
    from resources.settings.yaml_files import plain_value, written_out

    found = con.execute(
        "select c.text from materializations m join configs c using (config_hash) "
        "where m.asset = ? and m.pack_id = ? order by m.id desc limit 1",
        [asset, pack.id],
    ).fetchall()
    if not found:
        return None
    return plain_value(written_out(json.loads(found[0][0]).get(file, "")), f"{file} of {pack.id}") or {}


def regime_of(con: Connection, pack_id: str) -> Row:
    """The regime that a pack's macro series look like, with scores (no probabilities); or why there is none."""
    pack = find_pack(con, pack_id)
    scores = rows(
        con,
        "select regime, score from latest_regimes where pack_id = ? order by score desc, regime",
        [pack.id],
    )
    drivers = rows(
        con,
        "select series, date, known_at, value, z_score, points, problem from latest_regime_drivers "
        "where pack_id = ? order by series",
        [pack.id],
    )
    problems = [f"{row['series']}: {row['problem']}" for row in drivers if row["problem"]]
    if not any(row["date"] for row in drivers):
        problems = [
            "no macro series were on record when the pack was cut: see docs/how-to/detect-the-regime.md"
        ]
    best = [row["score"] for row in scores[:2]]
    return {
        "pack_id": pack.id, "as_of": pack.as_of, "regime": scores[0]["regime"] if scores else None,
        "score": best[0] if best else None, "margin": best[0] - best[1] if len(best) == 2 else None,
        "scores": {row["regime"]: row["score"] for row in scores}, "drivers": drivers, "problems": problems,
    }  # fmt: skip


def impact_of_trades(con: Connection, pack_id: str, portfolio: str | None = None) -> Row:
    """What each portfolio's trades change."""
    return _risk(con, pack_id, portfolio, {"impact": ("impact", "metric")})


def stresses_of(con: Connection, pack_id: str, portfolio: str | None = None) -> Row:
    """What each scenario would cost each portfolio, the worst first, hedges against it, and the book's tail."""
    return _risk(
        con, pack_id, portfolio,
        {
            "scenarios": ("scenario_losses", "profit, scenario_id"),
            "hedges": ("hedges", "scenario_id, sequence"),
            "tail_risk": ("tail_risk", "book, level, method"),
        },
    )  # fmt: skip


def _risk(con: Connection, pack_id: str, portfolio: str | None, asked: Mapping[str, tuple[str, str]]) -> Row:
    """Each portfolio with its rows; asked: what they are called -> table and order."""
    pack = find_pack(con, pack_id)
    known = portfolios_of(con, pack, portfolio)
    wanted = [found["portfolio_id"] for found in known]
    told = {name: by_portfolio(con, pack, table, wanted, order) for name, (table, order) in asked.items()}
    shown = [
        {**found, **{name: own.get(found["portfolio_id"], []) for name, own in told.items()}}
        for found in known
    ]
    return {"pack_id": pack.id, "as_of": pack.as_of, "notes": notes_of(con, pack), "portfolios": shown}


def pack_of_backtest(con: Connection, pack: Pack, portfolio_id: str) -> str | None:
    """The newest pack up to this one with a backtest of the portfolio: backtests have a job of their own."""
    found = con.execute(
        "select p.pack_id from pricing_packs p where p.verdict = 'fresh' and p.as_of <= ? and exists "
        "(select 1 from latest_backtest_results b where b.pack_id = p.pack_id and b.portfolio_id = ?) "
        "order by p.as_of desc, p.revision desc limit 1",
        [pack.as_of, portfolio_id],
    ).fetchall()
    return str(found[0][0]) if found else None
