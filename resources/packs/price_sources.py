"""Which source a pack takes a symbol's prices from: the preferred one, and where it stops the next that goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from resources.ledger.ledger import Connection
from resources.screening.pack_checks import Finding

SOURCE_STOPPED = "SOURCE_STOPPED"
RECENT_DAYS = 14


@dataclass(frozen=True)
class Span:
    """Days of a symbol whose prices one source tells.

    how    first, joined, alone or unused: see `pack_sources` in views.sql
    before the source that stopped on `seam`, with a close that differs by `gap`, relative, where both tell one
    first_day, last_day  both included; None where the source is not used
    """

    symbol: str
    source: str
    how: str
    before: str | None
    seam: date | None
    gap: float | None
    newest: date
    first_day: date | None
    last_day: date | None


def source_spans(
    con: Connection, as_of: date, watermark: int, precedence: Sequence[str], symbols: Sequence[str] | None
) -> list[Span]:
    """The spans of the symbols (of all, when None), each with its source, as known at the watermark."""
    rows = con.execute(
        "select symbol, source, how, before, seam, gap, newest, first_day, last_day "
        "from pack_sources($1::date, $2::bigint, $3::varchar[], $4::varchar[]) order by symbol, newest, source",
        [as_of, watermark, list(precedence), None if symbols is None else list(symbols)],
    ).fetchall()
    return [Span(*row) for row in rows]


def stopped_sources(
    con: Connection, as_of: date, watermark: int, precedence: Sequence[str]
) -> Iterator[Finding]:
    """A finding for each symbol that is priced today and whose preferred source has stopped before another."""
    if len(precedence) < 2:
        return
    for span in source_spans(con, as_of, watermark, precedence, None):
        if span.how != "first" and (as_of - span.newest).days <= RECENT_DAYS:
            severity = "INFO" if span.how == "joined" else "WARN"
            yield Finding(SOURCE_STOPPED, severity, _said(span), span.symbol, span.seam, span.gap)


def _said(span: Span) -> str:
    stopped = f"{span.symbol}: {span.before} stops on {span.seam}"
    differs = "it tells no close of that day" if span.gap is None else f"its close differs by {span.gap:.1%}"
    apart = f"cannot be joined ({differs}, or another basis or currency)"
    return {
        "joined": f"{stopped}; {span.source}, which tells the same close of that day, takes over",
        "alone": f"{stopped}; all prices are those of {span.source}, for they {apart}: put {span.source} first in "
        f"sources.yaml, or deliver {span.before} again",
        "unused": f"{stopped}; the later prices of {span.source} are not used, for they {apart}: deliver "
        f"{span.before}; a week later {span.source} takes over alone",
    }[span.how]
