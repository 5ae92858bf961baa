"""What is missing under a pack although it was delivered: rows set aside, files refused."""

from collections.abc import Iterator
from datetime import date

from resources.ledger.ledger import Connection
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
