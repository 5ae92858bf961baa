"""Restated history: what a revision would change of a live portfolio, and what reaches a paper book by itself."""

from dataclasses import dataclass, replace
from shlex import quote

from optimizer import PackfolioError
from resources.accounts.known import accounts_of
from resources.audit.pack_diff import log_changes
from resources.audit.weight_changes import State, configuration_of, solved_weights
from resources.books.day_before import out_of_date
from resources.books.paper import Holdings, pending_news
from resources.books.snapshots import read_snapshots
from resources.books.stated_holdings import stated_holdings
from resources.ledger.ledger import Connection
from resources.ledger.tables import LOGS
from resources.logs.appending import root_hash
from resources.packs.packs import Pack, find_pack, latest_fresh, watermark
from resources.settings.policies.limit_words import reason_of
from resources.store.query_rows import Row

NAMED = 5  # restated symbols that a reason names


@dataclass(frozen=True)
class Proposal:
    """A revision that somebody should decide on.

    moved   the largest change of a target weight, fraction of NAV; None where there are no weights now
    symbol  whose weight that is
    reason  what `packs revise` would put on record
    """

    pack_id: str
    portfolio: str
    symbol: str | None
    moved: float | None
    reason: str

    @property
    def command(self) -> str:
        """What to type."""
        day = self.pack_id.removeprefix("PP_").split(".")[0]
        return f"packfolio packs revise {day} --reason {quote(self.reason)}"

    def as_json(self) -> Row:
        """For `--json`."""
        return {**vars(self), "command": self.command}


@dataclass(frozen=True)
class BookNews:
    """Something of a paper book's past that changed after it was computed.

    symbol   what it is about; None for the whole book
    command  what to type; None where nothing is to do
    """

    pack_id: str
    portfolio: str
    symbol: str | None
    reason: str
    command: str | None = None

    def as_json(self) -> Row:
        """For `--json`, in the shape of a proposal."""
        return {**vars(self), "moved": None}


def book_news(con: Connection) -> list[BookNews]:
    """What becomes known late of paper books, and days of theirs that no longer follow from the day before.

    What reached a book under the newest fresh pack, and what was ingested since and will reach it in its next pack.
    Raises DataError when there is no fresh pack.
    """
    pack = latest_fresh(con)
    now = replace(pack, watermark=watermark(con))
    found = [
        BookNews(late.pack_id, late.portfolio, None, str(late), late.command) for late in out_of_date(con)
    ]
    for book in read_snapshots(con, pack, mode="paper"):
        if book.holdings.as_of is None:
            continue
        reached = [one for one in book.holdings.adjustments if one.late and one.lot_id is None]
        pending = pending_news(con, now, pack, book.portfolio_id, book.base_currency, book.holdings)
        found += [
            BookNews(pack.id, book.name, one.symbol, f"{one.note}; adjusts the paper book in {when}")
            for when, told in ((pack.id, reached), ("its next pack", pending))
            for one in told
            if one.lot_id is None
        ]
    return found


def proposed_revisions(con: Connection, threshold: float) -> list[Proposal]:
    """Live portfolios that would hold something else under the newest fresh pack, were it cut now, or whose weights
    would move by more than `threshold`.

    threshold  fraction of NAV, for the largest change of one target weight
    Nothing is written. A portfolio that could not be solved on the restated rows is proposed with that as its reason.
    Raises DataError when there is no fresh pack.
    """
    pack = latest_fresh(con)
    if not (restated := came_since(con, pack)):
        return []
    now = replace(pack, watermark=watermark(con))
    live = [one for one in read_snapshots(con, pack) if one.mode == "live" and not one.problem]
    desk = configuration_of(con, pack)
    held = stated_holdings(con, now, [a for a in accounts_of(con, now, desk.portfolios) if a.mode == "live"])
    found = []
    for one in live:
        if said := _holds_now(one.holdings, held.get(one.portfolio_id)):
            found.append(Proposal(pack.id, one.name, None, None, f"{restated}: {one.name} {said}"))
        elif moved := _proposal(con, State(pack, pack, one, desk.funds), now, restated, threshold):
            found.append(moved)
    return found


def _holds_now(then: Holdings, now: Holdings | str | None) -> str:
    """What a portfolio holds by what is known now, where that is something else; "" where it is the same."""
    if now is None:
        return "is no account any more"
    if isinstance(now, str):
        return f"has no holdings now: {now}"
    for symbol in sorted({*then.quantities, *now.quantities}):
        before, after = (float(held.quantities.get(symbol, 0)) for held in (then, now))
        if before != after:
            return f"holds {after:,.10g} {symbol}, not {before:,.10g}"
    return "" if then.cash == now.cash else f"has {now.cash:,.2f} in cash, not {then.cash:,.2f}"


def came_since(con: Connection, pack: Pack) -> str:
    """What came for the days of a pack after it was cut, in words: how many rows, and of what; "" for nothing."""
    now = replace(pack, watermark=watermark(con))
    if root_hash(con, list(LOGS), now.as_of, now.watermark)[0] == pack.content_hash:
        return ""
    changes = [found for log in LOGS if (found := log_changes(con, log, pack, now))]
    said = []
    for change in changes:
        symbols = sorted({str(next(iter(row["key"].values()))) for row in change["restated"]})
        named = ", ".join(symbols[:NAMED]) + (" and others" if len(symbols) > NAMED else "")
        counts = f"{change['rows_restated']} restated, {change['rows_added']} new in {change['log']}"
        said.append(f"{counts}{f' ({named})' if named else ''}")
    return "; ".join(said)


def untaken(con: Connection, pack_id: str) -> str:
    """What came after a pack was cut and may mend what failed, as more of the reason; "" for nothing."""
    pack = find_pack(con, pack_id)
    came = came_since(con, pack)
    remedy = f"to take it in, packfolio packs revise {pack.as_of} --reason TEXT"
    return f"; {pack.id} was cut before this came: {came}; {remedy}" if came else ""


def _proposal(con: Connection, state: State, now: Pack, restated: str, threshold: float) -> Proposal | None:
    pack, portfolio = state.prices, state.snapshot.name
    try:
        before = solved_weights(con, state)
        after = solved_weights(con, replace(state, prices=now, estimates=now))
    except PackfolioError as error:
        return Proposal(
            pack.id, portfolio, None, None, f"{restated}: {portfolio} has no weights now: {reason_of(error)}"
        )
    moves = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in sorted({*before, *after})}
    symbol = max(moves, key=lambda name: abs(moves[name]))
    if abs(moves[symbol]) <= threshold:
        return None
    moved = f"{symbol} moves by {100 * moves[symbol]:+.2f} points of {portfolio}"
    return Proposal(pack.id, portfolio, symbol, abs(moves[symbol]), f"{restated}: {moved}")
