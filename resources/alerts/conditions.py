"""What is wrong with the desk's day: each condition with a key that stays the same while it lasts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path

from resources.ledger.ledger import Connection

LOOK_BACK = timedelta(days=14)
LONGEST_RUN = timedelta(hours=4)  # between a pack and its portfolios
MOST = 20  # books that are told one by one
ROOM_AGAIN = 1.25  # times the room that is wanted: a disk that hovers there would be told of day after day


@dataclass(frozen=True)
class Alert:
    """A condition: `key` names it, `kind` is one of those in OVER, or `over` itself with the kind as its key.

    of_many  what is said of many books at once; empty where it is not of a book
    """

    key: str
    kind: str
    said: str
    of_many: str = ""


# What is true again when nothing of a kind is wrong any more.
OVER = {
    "missed_session": "no closed session of the last two weeks lacks its pack any more",
    "rejected_pack": "no pack of the last two weeks is rejected any more",
    "no_answer": "every portfolio has an answer again",
    "limit_broken": "no portfolio's trades break its limits any more",
    "disk": "the disk has room again",
    "configuration": "the configuration can be read again",
    "record": "the published copy can be read again",
}


def over(kind: str) -> Alert:
    """That nothing of a kind is wrong any more."""
    return Alert(kind, "over", f"over: {OVER[kind]}")


def conditions(con: Connection, now: datetime, sessions: Collection[date]) -> Iterator[Alert]:
    """What the warehouse knows to be wrong.

    now       in UTC
    sessions  the closed sessions of live sources that should have a pack by now; none where no source is live
    """
    yield from _missed(con, sessions)
    yield from _rejected(con, now.date() - LOOK_BACK)
    computed, stopped = _newest(con)
    yield from _stopped(stopped, now - LONGEST_RUN)
    if computed:
        yield from _unanswered(con, computed)
        yield from _broken(con, computed)


def _missed(con: Connection, sessions: Collection[date]) -> Iterator[Alert]:
    """Sessions that follow each other are one line, known by the last of them: each that joins them is news."""
    there = {row[0] for row in con.execute("select distinct as_of from pricing_packs").fetchall()}
    begun = min(there, default=date.min)
    after_begin = [day for day in sorted(set(sessions)) if day > begun]
    for lacking, run in groupby(after_begin, key=lambda day: day not in there):
        if not lacking:
            continue
        first, *more = run
        last = more[-1] if more else first
        said = f"the session of {first} has no pack: run `packfolio run --as-of {first}`"
        if more:
            number, backfill = len(more) + 1, f"`packfolio ingest`, then `packfolio backfill {first} {last}`"
            said = f"the {number} sessions from {first} to {last} have no pack: run {backfill}"
        yield Alert(f"missed {last}", "missed_session", said)


def _rejected(con: Connection, since: date) -> Iterator[Alert]:
    rows = con.execute(
        "select pack_id, as_of, reason from pricing_packs where as_of >= ? "
        "qualify row_number() over (partition by as_of order by revision desc) = 1 and verdict = 'rejected' order by 1",
        [since],
    ).fetchall()
    for pack_id, as_of, reason in rows:
        yield Alert(
            f"rejected {as_of}",
            "rejected_pack",
            f"{pack_id} is rejected: {reason}; see `packfolio packs show {pack_id}`",
        )


def _newest(con: Connection) -> tuple[str | None, list[tuple[str, date, datetime]]]:
    """The newest fresh pack under which a portfolio was computed, and (pack, as-of, cut at) of those after it.

    None of either on a desk that has packs alone.
    """
    if not con.execute("select 1 from latest_portfolio_snapshots limit 1").fetchone():
        return None, []
    packs = con.execute(
        "select pack_id, as_of, created_at from pricing_packs where verdict = 'fresh' "
        "order by as_of desc, revision desc"
    ).fetchall()
    for place, (pack_id, _, _) in enumerate(packs):
        done = con.execute(
            "select 1 from latest_portfolio_snapshots s left join latest_optimization_results r "
            "using (pack_id, portfolio_id) where s.pack_id = ? and coalesce(s.problem, r.status) is not null limit 1",
            [pack_id],
        ).fetchone()
        if done:
            return pack_id, packs[:place]
    return None, packs


def _stopped(packs: Sequence[tuple[str, date, datetime]], since: datetime) -> Iterator[Alert]:
    """Packs after whose cut the run ended, as one line; one that was just cut is at work."""
    ended = [(pack_id, as_of) for pack_id, as_of, created in packs if created < since.replace(tzinfo=None)]
    if not ended:
        return
    (newest, last), (oldest, first) = ended[0], ended[-1]
    under, remedy = newest, f"`packfolio run --as-of {last}`"
    if ended[1:]:
        under = f"the {len(ended)} packs from {oldest} to {newest}"
        remedy = f"`packfolio backfill {first} {last}`"
    said = f"no portfolio was computed under {under}: run {remedy}"
    yield Alert("not computed", "no_answer", said)


def _unanswered(con: Connection, pack_id: str) -> Iterator[Alert]:
    """Books of a pack that have no weights."""
    rows = con.execute(
        "select s.name, coalesce(s.problem, r.reason, r.status, 'it was not computed') "
        "from latest_portfolio_snapshots s left join latest_optimization_results r using (pack_id, portfolio_id) "
        "where s.pack_id = ? and (s.problem is not null or coalesce(r.status, '') not in ('optimal', 'no_trade')) "
        "order by 1",
        [pack_id],
    ).fetchall()
    for name, why in rows:
        said = f"{name} has no answer under {pack_id}: {why}"
        yield Alert(f"no answer {name}", "no_answer", said, "have no answer")


def _broken(con: Connection, pack_id: str) -> Iterator[Alert]:
    rows = con.execute(
        "select s.name, t.warnings ->> '$[0]' from latest_portfolio_snapshots s join latest_trade_lists t "
        "using (pack_id, portfolio_id) where s.pack_id = ? and not t.constraints_met order by 1",
        [pack_id],
    ).fetchall()
    for name, first in rows:
        said = (
            f"{name} does not keep all its limits under {pack_id}: {first}; see `packfolio trades {pack_id} "
            f"--portfolio {name}`"
        )
        yield Alert(f"limit {name}", "limit_broken", said, "do not keep all their limits")


def gathered(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """The alerts of some books each by itself; of many one, which names the first: nobody reads a thousand lines."""
    for fault, group in groupby(alerts, key=lambda alert: alert.of_many):
        some = list(group)
        if not fault or len(some) <= MOST:
            yield from some
            continue
        first = "; ".join(alert.said for alert in some[:3])
        said = f"{len(some)} portfolios {fault}, among them: {first}"
        yield Alert(f"{some[0].kind} of {len(some)}", some[0].kind, said)


def disk(home: Path, free_gib: float, least_gib: float) -> Iterator[Alert]:
    """A disk that is nearly full; a least of 0 asks for nothing, as a disk without a byte takes no tick either."""
    if free_gib < least_gib:
        said = f"the disk of {home} has {free_gib:.1f} GiB free, less than {least_gib:g}"
        yield Alert("disk", "disk", f"{said}: make room, or runs will end in it")


def is_told_of(free_gib: float, least_gib: float) -> bool:
    """Whether a disk is nearly full, or clearly has room again: between the two, what was told of it stands."""
    return bool(least_gib) and not least_gib <= free_gib < ROOM_AGAIN * least_gib
