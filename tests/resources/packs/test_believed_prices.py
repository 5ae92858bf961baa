"""A price row that is withdrawn counts nowhere; a pack that was cut before still sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import DAYS, STAMP, ingest, new_warehouse, price_rows, staying_open

from resources.ledger.ledger import Connection
from resources.logs.recorded_prices import newest_price
from resources.packs.delistings import gone_symbols
from resources.packs.pack_prices import read_panel
from resources.packs.packs import Pack, cut_pack
from resources.packs.point_in_time import read_vintages
from resources.packs.price_sources import source_spans
from resources.screening.pack_checks import CheckLimits

NEXT = DAYS[-1] + timedelta(days=1)
LATER = replace(STAMP, at=STAMP.at + timedelta(days=3))
GONE = {"symbol": "AAA", "date": DAYS[-1], "kind": "delisting", "value": 9.0, "source": "desk"}


def told(symbol: str, day: date, *, withdrawn: bool = False) -> pa.Table:
    rows = price_rows(days=(day,), symbols=(symbol,))
    return rows.append_column("withdrawn", pa.array([True if withdrawn else None], pa.bool_()))


@dataclass(frozen=True)
class Seen:
    con: Connection
    before: Pack
    pack: Pack


@contextmanager
def desk(home: Path) -> Iterator[Seen]:
    """AAA and BBB; AAA ends on the last day, but has a row of the next one that is withdrawn after a pack saw it."""
    warehouse = new_warehouse(home, staying_open)
    packs = []
    for stamp, rows in ((STAMP, told("AAA", NEXT)), (LATER, told("AAA", NEXT, withdrawn=True))):
        if not packs:
            with warehouse.write(stamp) as tx:
                ingest(tx, "prices", price_rows(symbols=("AAA", "BBB")))
            with warehouse.write(stamp) as tx:
                ingest(tx, "corporate_actions", pa.Table.from_pylist([GONE]))
        with warehouse.write(stamp) as tx:
            ingest(tx, "prices", rows)
        with warehouse.write(stamp) as tx:
            revise = "a row was withdrawn" if packs else None
            packs.append(
                cut_pack(tx, NEXT, ["feed"], [*DAYS, NEXT], CheckLimits(coverage=0.0), revise=revise).pack
            )
    with warehouse.live() as con:
        yield Seen(con, *packs)


def test_what_was_withdrawn_is_read_nowhere_and_stays_in_the_packs_before(tmp_path: Path) -> None:
    with desk(tmp_path) as seen:
        assert newest_price(seen.con, ["feed"]) == DAYS[-1]
        assert [read_panel(seen.con, pack, ["AAA"]).dates[-1] for pack in (seen.before, seen.pack)] == [
            NEXT,
            DAYS[-1],
        ]
        assert [gone_symbols(seen.con, pack, ["AAA"]).keys() for pack in (seen.before, seen.pack)] == [
            set(), {"AAA"},
        ]  # fmt: skip
        spans = [
            source_spans(seen.con, NEXT, pack.watermark, ["feed", "other"], ["AAA"])
            for pack in (seen.before, seen.pack)
        ]
        assert [span.newest for (span,) in spans] == [NEXT, DAYS[-1]]
        newest = [
            seen.con.execute("select max(date) from pack_prices(?)", [pack.id]).fetchall()[0][0]
            for pack in (seen.before, seen.pack)
        ]
        assert newest == [NEXT, DAYS[-1]]


def test_a_backtest_of_vintages_sees_a_row_until_the_day_of_its_withdrawal(tmp_path: Path) -> None:
    with desk(tmp_path) as seen:
        vintages = read_vintages(seen.con, seen.pack, ["AAA", "BBB"], "USD")
    days = pd.Timestamp(NEXT), pd.Timestamp(LATER.at.date())
    before, after = (vintages.known_on(day)["AAA"] for day in days)
    assert before.index[-1].date() == NEXT
    assert after.index[-1].date() == DAYS[-1] and np.isfinite(after.to_numpy()).all()


@pytest.mark.parametrize("mark", [None, 0, 1, 2, 3])
def test_believed_again_counts_from_then_on(tmp_path: Path, mark: int | None) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    marks = [0]
    for withdrawn in (False, True, False):
        with warehouse.write(STAMP) as tx:
            marks.append(ingest(tx, "prices", told("AAA", NEXT, withdrawn=withdrawn)))
    with warehouse.live() as con:
        seen = con.execute(
            "select count(*) from believed_prices(?)", [None if mark is None else marks[mark]]
        ).fetchall()[0][0]
    assert seen == {None: 1, 0: 0, 1: 1, 2: 0, 3: 1}[mark]
