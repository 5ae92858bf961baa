"""What to know of what a pack rests on: rows set aside, files refused, old or odd facts; what was noted of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from optimizer.errors import some_of
from optimizer.model.exchange_rates import main_currency
from resources.ledger.ledger import Connection, head
from resources.logs.open_questions import OpenQuestion, open_questions, set_aside_since
from resources.logs.refused_files import refused_files
from resources.packs.delistings import HAD, Seen, names_had
from resources.screening.pack_checks import RECENT, Finding

CAP_AGE = timedelta(days=100)  # a quarter and some days: shares are counted once a quarter
SET_ASIDE, FILE_REFUSED = "SET_ASIDE", "FILE_REFUSED"


def missing_data(con: Connection, as_of: date, watermark: int) -> Iterator[Finding]:
    """A finding a symbol whose rows are set aside, and one a refused file, as known at the watermark.

    A symbol whose newest prices are set aside is a warning; older rows are noted.
    """
    for question in questions_at(con, as_of, watermark):
        severity = "WARN" if question.blocking else "INFO"
        said = f"{set_aside_since(question)}; {question.remedy}"
        yield Finding(
            SET_ASIDE, severity, said, question.symbol or None, question.first, float(question.rows)
        )
    for file in refused_files(con, watermark):
        yield Finding(FILE_REFUSED, "WARN", str(file), date=file.since.date())


def questions_at(con: Connection, as_of: date, watermark: int) -> list[OpenQuestion]:
    """The open questions about rows of the as-of date or before."""
    return [
        question
        for question in open_questions(con, watermark)
        if question.first is None or question.first <= as_of
    ]


def told_of_ingest(con: Connection, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """What an ingest leaves to be known: what it noted, and what is set aside today, the newest first."""
    aside = [
        {**asdict(question), "said": f"{set_aside_since(question)}; {question.remedy}"}
        for question in open_questions(con)
    ]
    return {"noted": noted_of_deliveries(con, head(con)[0], run_id=run_id), "set_aside_today": aside}


def noted_of_deliveries(
    con: Connection, watermark: int, as_of: date = date.max, run_id: str | None = None
) -> list[dict[str, Any]]:
    """What was odd in rows that are kept, by code: of how many findings and symbols, and the newest of them in words.

    Of all deliveries up to a watermark, of rows of a day or before, or of those of one run. Characteristics
    that are set aside are among them: no open question is about these.
    """
    found = con.execute(
        "select code, count(*), count(distinct symbol), max(f.date), "
        "arg_max(f.message, (f.materialization, f.date, symbol)) "
        "from check_findings f join materializations m on m.id = f.materialization "
        "left join ingests i on i.ingest_seq = f.materialization "
        "where f.pack_id is null and (severity = 'WARN' or severity = 'QUAR' and i.log = 'characteristics') "
        "and f.materialization <= $1 "
        "and coalesce(f.date <= $2, true) and coalesce(m.run_id = $3, true) group by code order by code",
        [watermark, as_of, run_id],
    ).fetchall()
    return [
        {"code": code, "findings": findings, "symbols": symbols, "newest": newest, "message": message}
        for code, findings, symbols, newest, message in found
    ]


def fact_findings(con: Connection, pack: Seen) -> Iterator[Finding]:
    """What the facts of shares that are priced have against them: old capitalisations, another currency than theirs."""
    prices = con.execute(
        "select symbol, source, max(date), arg_max(currency, (date, ingest_seq)) from believed_prices(?) "
        "where date between ? and ? group by symbol, source order by symbol, source",
        [pack.watermark, pack.as_of - RECENT, pack.as_of],
    ).fetchall()
    had = names_had(con, pack, sorted({str(symbol) for symbol, *_ in prices}))
    yield from _old_caps(con, pack, had)
    yield from _mismatches(con, pack, had, prices)


def _old_caps(con: Connection, pack: Seen, had: list[list[Any]]) -> Iterator[Finding]:
    """Capitalisations older than a quarter's: one finding for them all."""
    rows = con.execute(
        f"select company, max(date) as newest from market_caps join {HAD} using (symbol) where date >= since "
        "and date < until and date <= ? and ingest_seq <= ? group by company having newest < ? "
        "order by newest, company",
        [*had, pack.as_of, pack.watermark, pack.as_of - CAP_AGE],
    ).fetchall()
    if rows:
        oldest = rows[0][1]
        message = (
            f"market_caps: the newest of {some_of([symbol for symbol, _ in rows])} is more than {CAP_AGE.days} days "
            f"old, the oldest of {oldest}: they count as they were stated; ingest newer ones"
        )
        age = float((pack.as_of - oldest).days)
        yield Finding("STALE_CAP", "WARN", message, date=oldest, value=age)


def _mismatches(
    con: Connection, pack: Seen, had: list[list[Any]], prices: Sequence[tuple[Any, ...]]
) -> Iterator[Finding]:
    """Symbols whose newest prices are told in another currency than the security's."""
    rows = con.execute(
        f"select company, arg_max(currency, (date, ingest_seq)) from securities join {HAD} using (symbol) "
        "where date >= since and date < until and date <= ? and ingest_seq <= ? group by company",
        [*had, pack.as_of, pack.watermark],
    ).fetchall()
    quoted = dict(rows)
    for symbol, source, newest, priced in prices:
        stated = quoted.get(symbol)
        if stated and main_currency(priced)[0] != main_currency(stated)[0]:
            message = (
                f"{symbol}: {source} tells its prices in {priced}, securities say that it is quoted in {stated}; "
                f"{priced} is used: correct the currency of the source in sources.yaml, or that of the security"
            )
            yield Finding("CURRENCY_MISMATCH", "WARN", message, str(symbol), newest)
