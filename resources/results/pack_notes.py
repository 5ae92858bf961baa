"""What a reader must know of the data behind a pack: what is missing, old, simulated or doubted, and of its books."""

from collections.abc import Sequence

from optimizer.errors import how_many, some_of
from resources.ledger.ledger import Connection
from resources.logs.open_questions import said_once
from resources.packs.packs import Pack
from resources.store.query_rows import Row, rows


def book_notes(portfolios: Sequence[Row]) -> list[str]:
    """What changed in a book without a trade, besides dividends paid on their day."""
    return [
        f"{found['name']}: {note}"
        for found in portfolios
        for note in sorted({
            row["note"] for row in found["adjustments"]
            if row["lot_id"] is None and (row["late"] or row["kind"] != "dividend")
        })
    ]  # fmt: skip


MISSING = ("SET_ASIDE", "FILE_REFUSED", "SOURCE_STOPPED")
OF_BOOKS = "STALE_SYMBOL"  # each book says it of what it holds
MOST_MISSING = 20
CAVEATS = ("SURVIVORSHIP", "NOT_TRADABLE", "NO_DIVIDENDS", "SIMULATED")


def notes_of(con: Connection, pack: Pack) -> list[str]:
    """What a reader must know of the data behind a pack: survivors, adjusted, simulated; missing, old or doubted."""
    found = rows(
        con,
        "select distinct code, message from check_findings where pack_id is null and materialization <= ? "
        "and code in (select unnest(?)) order by code",
        [pack.watermark, list(CAVEATS)],
    )
    missing = rows(
        con,
        "select code, symbol, severity, message from check_findings where pack_id = $1 "
        "and (code in (select unnest($2)) or severity = 'WARN' and code <> $3) "
        "order by severity desc, date desc, symbol",
        [pack.id, list(MISSING), OF_BOOKS],
    )
    blocking = [row for row in missing if row["severity"] != "INFO"]
    kinds = said_once([(row["symbol"] or "", row["message"]) for row in blocking])
    found += [blocking[first] | {"message": said} for (first, *_), said in kinds[:MOST_MISSING]]
    untold = [row for row in missing if row["severity"] == "INFO"]
    untold += [blocking[place] for places, _ in kinds[MOST_MISSING:] for place in places]
    for code in sorted({row["code"] for row in untold}):
        rest = [row for row in untold if row["code"] == code]
        names = sorted({row["symbol"] or "no symbol" for row in rest})
        more = "more finding" if any(row["code"] == code for row in found) else "finding"
        said = f"{how_many(len(rest), more)} of {some_of(names)}: packfolio packs show {pack.id}"
        found.append(rest[0] if len(rest) == 1 else {"code": code, "message": said})
    told = [f"{row['code']}: {row['message']}" for row in found]
    return [*told, *_no_session(con, pack), *_notes_of_factors(con, pack)]


def _no_session(con: Connection, pack: Pack) -> list[str]:
    """That a pack is of a day without prices: its trades, and the orders that paper books filled, are at older ones."""
    known, at = (
        "from prices where {} and ingest_seq <= ? and withdrawn is not true",
        [pack.as_of, pack.watermark],
    )
    # Of most packs there is one: to look for the newest reads the whole log.
    if con.execute(f"select 1 {known.format('date = ?')} limit 1", at).fetchall():
        return []
    newest = con.execute(f"select max(date) {known.format('date < ?')}", at).fetchall()[0][0]
    if newest is None:
        return []
    return [
        f"NO_SESSION: no price of {pack.as_of} is on record, a {pack.as_of:%A}: all is at closes of {newest} or "
        "before, the orders that paper books filled too; without --as-of a run takes the newest session"
    ]


def _notes_of_factors(con: Connection, pack: Pack) -> list[str]:
    doubts = rows(
        con,
        "select distinct note from latest_factor_model_quality where pack_id = ? and measure = 'doubt' order by 1",
        [pack.id],
    )
    return [
        *(
            f"FACTORS_LEFT_OUT: the factor model{row['models']} has no {row['factors']}: {row['note']}"
            for row in missing_factors(con, pack)
        ),
        *(
            f"FACTOR_MODEL_DOUBTED: {row['note']}; factor risks of this pack are as doubtful"
            for row in doubts
        ),
    ]


def missing_factors(con: Connection, pack: Pack, recipe: str | None = None) -> list[Row]:
    """The factors that the model of a recipe lacks, or those of all, why, and which log would give them.

    `models` names those that lack them, after a space, where others do not; else it is empty.
    """
    return rows(
        con,
        "with told as (select * from latest_factor_model_quality where pack_id = $1 and coalesce(recipe = $2, true)) "
        "select string_agg(distinct factor, ', ' order by factor) as factors, note, "
        "case when count(distinct recipe) < (select count(distinct recipe) from told) "
        "then ' ' || string_agg(distinct recipe, ', ' order by recipe) else '' end as models "
        "from told where measure = 'missing' group by note order by factors",
        [pack.id, recipe],
    )
