"""What is missing under a pack although it was delivered: rows set aside, files refused; what was noted of the rest."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from resources.ledger.ledger import Connection, head
from resources.logs.open_questions import OpenQuestion, open_questions, set_aside_since
from resources.logs.refused_files import refused_files
from resources.screening.pack_checks import Finding

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

    Of all deliveries up to a watermark, of rows of a day or before, or of those of one run.
    """
    found = con.execute(
        "select code, count(*), count(distinct symbol), max(f.date), "
        "arg_max(message, (f.materialization, f.date, symbol)) "
        "from check_findings f join materializations m on m.id = f.materialization "
        "where f.pack_id is null and severity = 'WARN' and f.materialization <= $1 "
        "and coalesce(f.date <= $2, true) and coalesce(m.run_id = $3, true) group by code order by code",
        [watermark, as_of, run_id],
    ).fetchall()
    return [
        {"code": code, "findings": findings, "symbols": symbols, "newest": newest, "message": message}
        for code, findings, symbols, newest, message in found
    ]
