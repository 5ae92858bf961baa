"""What the log of corporate actions says of prices: splits, dividends, renames, and which deliveries they explain."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from optimizer.errors import asked, nearest_of_each
from optimizer.model.actions.action_kinds import CASH_KINDS, ENDS
from optimizer.model.exchange_rates import main_currency
from resources.ledger.ledger import Connection, Stamp
from resources.logs.storing import ON_RECORD
from resources.prices.series import Begun
from resources.prices.source import Finding
from resources.screening.renames import Rename, Segment, present_name, segments
from resources.screening.stated.stated_payments import SAME_CASH, Stated
from resources.screening.stated.stated_splits import SAME_RATIO, Several, together
from resources.store.warehouse import Warehouse

ACTIONS = "corporate_actions"

SPLITS = ("split", "stock_dividend")
# Calendar days within which the next price is looked for; of what is stated newly, in all that follow.
NEXT_DAYS = 10

# The newest word on each action, whoever said it; one that was withdrawn is none: a split of 1, cash of 0, no new name.
NEWEST = """
    select symbol, date, kind,
        case when withdrawn is null then value when kind = 'split' then 1.0 else 0.0 end as value,
        case when withdrawn is null then new_symbol end as new_symbol, currency, ingest_seq,
        date - date '1970-01-01' as day, withdrawn is not null as undone
    from corporate_actions
    qualify row_number() over (partition by symbol, date, kind order by ingest_seq desc) = 1
"""
# Renames that were stated once and are not what the newest word says; `since` the ledger row of that word.
UNDONE = f"""
    select o.symbol, o.new_symbol, a.day, max(a.ingest_seq) as since
    from corporate_actions o join ({NEWEST}) a using (symbol, date, kind)
    where o.kind = 'rename' and o.withdrawn is null and o.new_symbol is distinct from a.new_symbol group by all
"""
NOT_TOLD = (
    "not exists (select 1 from check_findings f where f.code = 'UNKNOWN_SYMBOL' and f.symbol = a.symbol "
    "and f.materialization > a.ingest_seq)"
)


@dataclass(frozen=True)
class StatedActions:
    """What the corporate actions say of price rows, by (symbol, days since 1970).

    splits     shares after per share before, of all splits and stock dividends of that day
    several    the ratio of each of them, where there is more than one
    dividends  cash per share and its currency (None: that of the prices)
    renames    symbols that have another name since
    begun      symbol -> days since 1970 from which on it is another company's: the one that had it has ended
    """

    splits: Mapping[tuple[str, int], float]
    dividends: Stated
    renames: tuple[Rename, ...]
    several: Several
    begun: Begun


def stated_actions(con: Connection, own: Iterable[Rename] = ()) -> StatedActions:
    """What the newest word on each action says to price rows, whose symbols are those of today.

    own  renames that apply besides those on record
    """
    rows = con.execute(
        f"select symbol, day, kind, value, new_symbol, currency, undone from ({NEWEST}) order by all"
    ).fetchall()
    told = (Rename(str(row[0]), str(row[4]), int(row[1])) for row in rows if row[2] == "rename" and row[4])
    renames = (*own, *told)
    names = segments(renames)
    ratios: dict[tuple[str, int], tuple[float, ...]] = {}
    dividends: dict[tuple[str, int], tuple[float, str | None]] = {}
    for symbol, day, kind, value, _, currency, _ in rows:
        key = present_name(names, str(symbol), int(day)), int(day)
        if value is not None and kind in SPLITS:
            ratios[key] = (*ratios.get(key, ()), value + (kind == "stock_dividend"))
        elif value is not None and kind in CASH_KINDS:
            main, part = main_currency(currency) if currency else (None, 1.0)
            before, other = dividends.get(key, (0.0, main))
            unit = main if main == other else f"{other or 'no currency'} and {main or 'no currency'}"
            dividends[key] = before + value * part, unit
    splits = {key: together(each) for key, each in ratios.items()}
    several = {key: each for key, each in ratios.items() if len(each) > 1}
    ends = [(str(row[0]), int(row[1])) for row in rows if row[2] in ENDS and not row[-1]]
    return StatedActions(splits, dividends, renames, several, _begun(ends, names, renames))


def _begun(
    ends: Iterable[tuple[str, int]], names: Mapping[str, Sequence[Segment]], renames: Iterable[Rename]
) -> Begun:
    taken = {(rename.new, rename.effective) for rename in renames}
    found: dict[str, set[int]] = {}
    for symbol, day in ends:
        # A price of the day itself is the last of the one that ended, unless another takes its name that day.
        since = day if (symbol, day) in taken else day + 1
        found.setdefault(present_name(names, symbol, day), set()).add(since)
    return found


def given_by_actions(
    con: Connection, source: str, renames: Iterable[Rename]
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], float]]:
    """(splits, dividends) that actions gave rows of a source, the newest of each (symbol, days since 1970)."""
    rows = con.execute(
        "select f.code, f.symbol, f.date - date '1970-01-01', arg_max(f.value, f.materialization) "
        "from check_findings f join ingests i on f.materialization = i.ingest_seq and i.source = ? "
        "where f.code in ('SPLIT_FROM_ACTION', 'DIVIDEND_FROM_ACTION') group by all order by all",
        [source],
    ).fetchall()
    names = segments(renames)
    found: dict[str, dict[tuple[str, int], float]] = {"SPLIT_FROM_ACTION": {}, "DIVIDEND_FROM_ACTION": {}}
    for code, symbol, day, value in rows:
        found[code][present_name(names, str(symbol), int(day)), int(day)] = float(value)
    return found["SPLIT_FROM_ACTION"], found["DIVIDEND_FROM_ACTION"]


def explained_deliveries(con: Connection, source: str, own: Iterable[Rename] = ()) -> dict[str, list[str]]:
    """Key -> symbols of the deliveries of a price source that actions stated since then explain: to be read again.

    They hold rows set aside since the action's day; rows whose split or dividend is another than that stated of their
    day (or of days without a price before it); rows under a name that their company gave up later; or rows that a
    rename moved, where one was withdrawn or stated otherwise since.
    """
    return _explained(con, source, own, "since > read_at")


def left_behind(con: Connection, source: str, own: Iterable[Rename], mark: int) -> dict[str, list[str]]:
    """What `explained_deliveries` gives after the source was read: rows that no file of it tells any more.

    Their file is gone, or has another content, or only released them. They can be judged from the record (once).

    mark  the ledger row before the source was read
    """
    asked = "since > coalesce(row_at, read_at) and since > coalesce(judged_at, 0)"
    return _explained(con, source, own, asked, mark)


def undone_renames(con: Connection) -> tuple[Rename, ...]:
    """Renames that were stated once, and are withdrawn or stated otherwise now."""
    rows = con.execute(f"select symbol, new_symbol, day from ({UNDONE}) order by all").fetchall()
    return tuple(Rename(str(old), str(new), int(day)) for old, new, day in rows)


# SQL of the deliveries with a row that is `asked` for; `far` is what `_far` gives.
EXPLAINED = f"""
    with said as (
        select symbol, date, max(ingest_seq) as since,
            product(case kind when 'split' then value when 'stock_dividend' then 1 + value end) as split,
            sum(value) filter (kind in (select unnest($2))) as dividend
        from acts group by symbol, date having split is not null or dividend is not null
    ), readings as (
        select ingest_seq, regexp_replace(delivery_key, '{ON_RECORD}$', '') as key,
            delivery_key like '%{ON_RECORD}' as from_record
        from ingests where source = $1 and status = 'ingested'
    ), near as materialized (
        select p.symbol, s.date, p.ingest_seq, s.since, p.basis, p.split as split, p.dividend as dividend,
            s.split as ratio, s.dividend as cash
        from believed_prices(null) p join said s on p.symbol = s.symbol
        where p.source = $1 and p.basis <> 'total_return' and p.date between s.date and s.date + {NEXT_DAYS}
        qualify row_number() over (partition by p.symbol, s.date order by p.date, p.ingest_seq desc) = 1
    ), {{far}},
    undone as (select new_symbol as symbol, since from ({UNDONE})), explained as (
        select ingest_seq, since, symbol, null as row_at from (from near union all from far)
        where basis = 'as_traded' and abs(split / ratio - 1) > {SAME_RATIO}
            or abs(dividend - cash) > {SAME_CASH} * greatest(dividend, cash)
        union all
        select p.ingest_seq, a.ingest_seq, p.symbol, p.ingest_seq
        from believed_prices(null) p join acts a on p.symbol = a.told
        where p.source = $1 and a.kind = 'rename' and p.date < a.date
        union all  -- the first row after an end that was taken back: it follows upon the row before again
        from (
            select p.ingest_seq, a.ingest_seq as since, p.symbol, null
            from believed_prices(null) p join acts a on p.symbol = a.symbol
            where p.source = $1 and a.undone and a.kind in (select unnest($3)) and p.date > a.date
            qualify row_number() over (partition by p.symbol, a.date order by p.date, p.ingest_seq desc) = 1)
        union all  -- rows that were withdrawn, and told first by others than set them aside
        select p.ingest_seq, a.ingest_seq, p.symbol, null from prices p join acts a on p.symbol = a.told
        where p.source = $1 and a.kind = 'rename' and p.date < a.date and p.withdrawn is null
        union all
        select q.ingest_seq, a.ingest_seq, q.symbol, null from quarantine q join acts a on q.symbol = a.symbol
        where q.source = $1 and q.log = 'prices' and q.date >= a.date
        union all
        select q.ingest_seq, a.ingest_seq, q.symbol, null from quarantine q join acts a on q.symbol = a.told
        where q.source = $1 and q.log = 'prices' and (q.date >= a.date or a.kind = 'rename')
        union all
        select f.materialization, u.since, u.symbol, null from check_findings f, undone u where f.code = 'RENAMED'
        union all
        select q.ingest_seq, u.since, q.symbol, null from quarantine q join undone u on q.symbol = u.symbol
        where q.source = $1 and q.log = 'prices'
    ), of_readings as (
        select key, max(ingest_seq) as read_at, max(ingest_seq) filter (from_record) as judged_at
        from readings group by key
    )
    select key, list_sort(list(distinct symbol)) from explained join readings using (ingest_seq)
    join of_readings using (key) where {{asked}} group by key order by key
"""


def _explained(
    con: Connection, source: str, own: Iterable[Rename], asked: str, mark: int | None = None
) -> dict[str, list[str]]:
    """Key -> symbols of deliveries with a row that is `asked` for.

    Of a row are known: `since`, the ledger row of the action; `read_at`, that of its delivery's newest reading;
    `judged_at`, that of the last time that it was judged from the record; `row_at`, its own where a rename asks.
    """
    acts = _acts(con, own)
    if not acts.num_rows:
        return {}
    con.register("acts", acts)
    rows = con.execute(
        EXPLAINED.format(far=_far(con, source, acts, mark), asked=asked),
        [source, list(CASH_KINDS), list(ENDS)],
    ).fetchall()
    con.unregister("acts")
    return {str(key): symbols for key, symbols in rows}


def _far(con: Connection, source: str, acts: pa.Table, mark: int | None) -> str:
    """SQL for what `near` is, of actions stated since the source's last run but one on days in longer gaps of prices.

    mark  the ledger row up to which runs are looked for; None: there is no later one
    Of others it was asked when they were new: the question goes through all prices of their symbols. The last run may
    have been killed before it had judged what it had read.
    """
    newest = con.execute(
        """
        with told as (
            select id, run_id from ingests i join materializations m on i.ingest_seq = m.id
            where source = $1 and status = 'ingested' and ($2 is null or ingest_seq <= $2)
        ) select coalesce(max(id), 0) from told where run_id <> (select arg_max(run_id, id) from told)
        """,
        [source, mark],
    ).fetchall()[0][0]
    if pc.max(acts["ingest_seq"]).as_py() <= newest:
        return "far as (select * from near limit 0)"
    return f"""fresh as (
            select * from said where since > {newest} and (symbol, date) not in (select (symbol, date) from near)
        ), gaps as (
            select f.* from fresh f join (
                select symbol, min(date) as first, max(date) as last from believed_prices(null)
                where source = $1 and symbol in (select symbol from fresh) group by symbol
            ) p on f.symbol = p.symbol and f.date > p.first and f.date < p.last
        ), far as (
            select p.symbol, s.date, p.ingest_seq, s.since, p.basis, p.split as split, p.dividend as dividend,
                s.split as ratio, s.dividend as cash
            from gaps s asof join (
                select * from believed_prices(null) where source = $1 and basis <> 'total_return'
                and symbol in (select symbol from gaps)
                qualify row_number() over (partition by symbol, date order by ingest_seq desc) = 1
            ) p on s.symbol = p.symbol and s.date <= p.date
        )"""


def names_of_renames(con: Connection, own: Iterable[Rename] = ()) -> set[str]:
    """The symbols that any rename names or named, those that moved rows among them; `own` as in `stated_actions`."""
    told = con.execute(
        "select distinct symbol, new_symbol from corporate_actions where kind = 'rename' "
        "union select symbol, null from check_findings where code = 'RENAMED'"
    )
    names = {name for row in told.fetchall() for name in row if name}
    return names | {name for rename in own for name in (rename.old, rename.new)}


def _acts(con: Connection, own: Iterable[Rename]) -> pa.Table:
    """The newest word on each action: `symbol` is the present name of the one that it was `told` of."""
    acts = con.sql(NEWEST).to_arrow_table()
    names = segments(stated_actions(con, own).renames)
    told, days = acts["symbol"].to_pylist(), acts["day"].to_pylist()
    present = [present_name(names, symbol, day) for symbol, day in zip(told, days, strict=True)]
    return acts.rename_columns({"symbol": "told"}).append_column("symbol", pa.array(present, pa.string()))


def tell_unknown_symbols(warehouse: Warehouse, stamp: Stamp, named: Collection[str]) -> tuple[Finding, ...]:
    """Puts on record which actions are on symbols that nobody knows, with the nearest that are known, or on names that
    their company had given up by then, with the one that it has; each once.

    named  symbols that the portfolios name; known are these, the priced ones, and those of securities.csv
    """
    with warehouse.live() as con:
        if not _strange_actions(con, named):
            return ()
    with warehouse.write(stamp) as tx:
        findings = _strange_actions(tx.con, named)
        rows = [
            {
                "code": item.code, "severity": item.severity, "symbol": item.symbol, "message": item.message,
                "value": 1.0,
            }
            for item in findings
        ]  # fmt: skip
        if rows:
            tx.record(ACTIONS, {"check_findings": pd.DataFrame(rows)})
    return tuple(findings)


def _strange_actions(con: Connection, named: Collection[str]) -> list[Finding]:
    found = [_unknown(symbol, near) for symbol, near in _unknown_symbols(con, named).items()]
    return [*found, *_under_old_names(con)]


def _under_old_names(con: Connection) -> Iterator[Finding]:
    """Actions of the day on which a name was given up, or later, where nobody is priced under it since."""
    told = con.execute(
        f"""
        with acts as (select symbol, date, kind, new_symbol, ingest_seq from stated_actions(null)),
        names as (select symbol, date as since, new_symbol from acts where kind = 'rename')
        select a.symbol, any_value(n.new_symbol), n.since, arg_min(a.kind, (a.date, a.kind)), min(a.date)
        from acts a asof join names n on a.symbol = n.symbol and a.date >= n.since
        where a.kind <> 'rename' and not exists (
            select 1 from names o where o.new_symbol = a.symbol and o.since between n.since and a.date)
        and {NOT_TOLD} group by a.symbol, n.since order by 1
        """
    ).fetchall()
    if not told:
        return
    rows = con.execute(
        "select symbol, max(date) from believed_prices(null) where symbol in (select unnest(?)) group by 1",
        [[row[0] for row in told]],
    ).fetchall()
    newest = dict(rows)
    for symbol, new, since, kind, day in told:
        if symbol not in newest or newest[symbol] < since:
            said = f"{symbol} is called {new} since {since}, but a {kind} of {day} is stated of it; state it of {new}"
            yield Finding("UNKNOWN_SYMBOL", "FAIL", said, symbol=symbol)


def _unknown(symbol: str, near: Sequence[str]) -> Finding:
    hint = asked(near, "correct it, or deliver its prices")
    said = f"{symbol} has no price and is in no securities.csv or portfolio, but an action is stated of it; {hint}"
    return Finding("UNKNOWN_SYMBOL", "FAIL", said, symbol=symbol)


def _unknown_symbols(con: Connection, named: Collection[str]) -> dict[str, list[str]]:
    """Those with a recent price are known without a walk through the whole log."""
    told = con.execute(
        f"select distinct symbol from corporate_actions a where {NOT_TOLD} and symbol not in "
        "(select symbol from prices where date > (select max(date) from log_leaves where log = 'prices') - 30) "
        "order by 1"
    ).fetchall()
    left = [str(row[0]) for row in told if row[0] not in named]
    if not left:
        return {}
    rows = con.execute(
        "select symbol from prices union select symbol from securities union "
        "select new_symbol from corporate_actions where new_symbol is not null union "
        "select symbol from corporate_actions where kind = 'rename'"
    ).fetchall()
    known = {*named, *(str(row[0]) for row in rows)}
    return nearest_of_each([symbol for symbol in left if symbol not in known], sorted(known))
