"""A vendor's files as they came, evening by evening: restatements, splits, a missing file, names that vanish."""

import csv
import gzip
import json
import os
import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from zygote import Zygote

from resources.ledger.tables import LOGS
from resources.logs.appending import root_hash
from resources.logs.calendars import load_calendar

SHARED = Path(os.environ.get("PACKFOLIO_SHARED_DATA", "nowhere")) / "feed" / "2015"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED.is_dir(), reason="PACKFOLIO_SHARED_DATA is not set"),
    pytest.mark.xdist_group("zygote"),
]
MISSING = date(2015, 6, 10)  # its prices came a day later
REPEATED = date(2015, 11, 17)  # the file of that evening ends with the day before
TOLD_ALONE = date(2015, 7, 6)  # no day before in the file: what went ex that Monday was never told
NAV_TOLERANCE = (
    2e-5  # costs are told at the price of the evening, and paid at the next, or not where a name vanished
)
THIRTY = (
    "AAPL, MSFT, NFLX, NKE, SBUX, KR, EBAY, BAX, HPQ, KRFT, LO, CTRX, SIAL, ZMH, FDO, JNJ, PFE, XOM, CVX, JPM, WFC, "
    "PPG, GE, IBM, ROST, CSCO, KO, PEP, PG, WMT"
)
BOOK = """
id: {id}
name: {name}
mode: paper
universe: {universe}
policy: {{method: {method}, max_single_position_pct: 15, lookback_days: 60, risk_free_rate: 0.001}}
holdings: [{{as_of: 2015-03-01, cash: 1000000}}]
"""
FILES = {
    "sources.yaml": "sources: [{name: feed, kind: folder, path: ../inbox}]\nreference_folder: reference\n",
    "funds.yaml": 'as_of: "2015-03"\ndefault_spread_bps: 50\nfunds: {}\n',
    "pipeline.yaml": "checks: {coverage: 0.8}\nbacktest: {years: 1}\n",
    "portfolios/thirty.yaml": BOOK.format(
        id="44444444-4444-4444-4444-444444444444",
        name="thirty",
        universe=f"[{THIRTY}]",
        method="risk_parity",
    ),
    "portfolios/everything.yaml": BOOK.format(
        id="33333333-3333-3333-3333-333333333333",
        name="everything",
        universe="all",
        method="min_volatility",
    ),
    "reference/corporate_actions.csv": "symbol,date,kind,value\nAAPL,2014-06-09,split,7\n",
}


class Evenings:
    """A desk whose inbox gets the file of each evening, and whose operator states what became of vanished names.

    In a folder that was used before it goes on after the last evening that `said.json` tells.
    """

    def __init__(self, folder: Path, first: date, last: date) -> None:
        self.folder = folder
        self.sessions = load_calendar("XNYS", last, folder / "cache").sessions(first, last)
        self.zygote = Zygote(folder)
        self.said: dict[date, tuple[int, str]] = {
            date.fromisoformat(day): (status, said) for day, (status, said) in self.told("said").items()
        }
        if not self.said:
            for name, text in FILES.items():
                path = folder / "config" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            (folder / "inbox").mkdir(exist_ok=True)

    def told(self, what: str) -> dict[str, Any]:
        """What an earlier process found, which was stopped."""
        path = self.folder / f"{what}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return found

    def tell(self, what: str, found: dict[str, Any]) -> None:
        half = self.folder / f"{what}.part"
        half.write_text(json.dumps(found), encoding="utf-8")
        half.replace(self.folder / f"{what}.json")

    def run(self, twice_every: int) -> None:
        for number, day in enumerate(self.sessions):
            if day in self.said:
                continue
            name = f"prices_{day:%Y%m%d}.csv.gz"
            if (SHARED / name).exists():
                shutil.copy(SHARED / name, self.folder / "inbox" / name)
            self.said[day] = self.zygote.packfolio("run", "--as-of", str(day))
            self.state_delistings(self.said[day][1])
            if number % twice_every == 0:
                before = self.ledger()
                self.zygote.packfolio("run", "--as-of", str(day))
                assert self.ledger() == before, day
            self.tell("said", {str(day): told for day, told in self.said.items()})

    def state_delistings(self, said: str) -> None:
        """At the last close, from the session after it."""
        for symbol in sorted(set(re.findall(r"([A-Z]+)\s+has\s+no\s+price\s+in", said))):
            with self.warehouse() as con:
                day, close = con.execute(
                    "select max(date), arg_max(close, (date, ingest_seq)) from prices where symbol = ?",
                    [symbol],
                ).fetchall()[0]
            with (self.folder / "config" / "reference" / "corporate_actions.csv").open("a") as file:
                file.write(f"{symbol},{day + timedelta(days=1)},delisting,{close}\n")

    def warehouse(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.folder / "home" / "published.duckdb"), read_only=True)

    def ledger(self) -> list[tuple[object, ...]]:
        """Without ingests: an action just stated comes in with the second run."""
        with self.warehouse() as con:
            return con.execute(
                "select id, asset, this_hash from materializations where pack_id is not null order by id"
            ).fetchall()

    def check_packs(self) -> None:
        with self.warehouse() as con:
            packs = con.execute(
                "select pack_id, as_of, watermark_seq, verdict, reason, content_hash from pricing_packs order by 2"
            ).fetchall()
            assert [pack[1] for pack in packs] == list(self.sessions)
            for _, as_of, mark, verdict, reason, content in packs:
                assert root_hash(con, list(LOGS), as_of, mark)[0] == content, as_of
                assert (verdict == "rejected") == (as_of in (MISSING, REPEATED)), (as_of, reason)
            corrected = con.execute(
                "select sum(rows_corrected) from ingests where log = 'prices'"
            ).fetchall()[0][0]
        assert corrected > 0  # restated past: the packs above did not move
        assert self.zygote.read("packs", "verify")["faults"] == []

    def check_replays(self) -> None:
        """Every pack, recomputed from the log after all that came later, gives the tables it gave then."""
        with self.warehouse() as con:
            packs = con.execute(
                "select pack_id from pricing_packs where verdict = 'fresh' order by 1"
            ).fetchall()
        differing = self.told("replayed")
        for (pack,) in packs:
            if pack not in differing:
                found = self.zygote.read("packs", "replay", pack)
                differing[pack] = None if found["identical"] else found
                self.tell("replayed", differing)
        assert {pack: found for pack, found in differing.items() if found} == {}

    def check_early_days(self) -> None:
        with self.warehouse() as con:
            told = con.execute(
                "select p.as_of, r.method, r.warnings from latest_optimization_results r join pricing_packs p "
                "using (pack_id) join latest_portfolio_snapshots s using (pack_id, portfolio_id) "
                "where s.name = 'thirty' and r.status = 'optimal' order by 1"
            ).fetchall()
        for day, method, warnings in told:
            returns = sum(session <= day for session in self.sessions)  # the first file tells two days
            short = returns < 30
            assert (method == "equal_weight") == short
            if short and day < date(2015, 4, 8):
                assert json.loads(warnings)[0] == f"Insufficient data for optimization ({returns} days)"

    def check_nav(self) -> None:
        """What is held earns what the vendor's own adjusted closes of the evening say, splits and all."""
        cash = {day: float(amount) for day, amount in self.of_thirty("cash", "portfolio_snapshots")}
        costs = {day: float(amount or 0) for day, amount in self.of_thirty("costs", "trade_lists")}
        books: dict[date, dict[str, float]] = {day: {} for day in cash}
        for day, symbol, quantity in self.of_thirty("symbol, quantity", "holdings"):
            books[day][symbol] = float(quantity)
        closes: dict[str, float] = {}
        earlier: tuple[date, float] | None = None
        off: dict[date, tuple[float, float]] = {}
        for day in self.sessions:
            if day not in cash:
                earlier = None
                continue
            rows = evening(day)
            alone = {symbol for symbol in books[day] if len(rows.get(symbol, [None, None])) == 1}
            assert (alone != set()) == (day == TOLD_ALONE), (day, alone)
            value = cash[day] + sum(
                quantity * (rows[symbol][0]["close"] if symbol in rows else closes[symbol])
                for symbol, quantity in books[day].items()
            )
            if earlier is not None:
                earned = sum(
                    quantity * (worth(rows[symbol]) - closes[symbol])
                    for symbol, quantity in books[earlier[0]].items()
                    if symbol in rows
                )
                expected = earlier[1] + earned - costs.get(earlier[0], 0.0)
                if value != pytest.approx(expected, rel=NAV_TOLERANCE):
                    off[day] = value, expected
            closes |= {symbol: its[0]["close"] for symbol, its in rows.items()}
            earlier = day, value
        assert not off, off

    def of_thirty(self, columns: str, table: str) -> list[Any]:
        """(as-of date, *columns) of the book of thirty names."""
        with self.warehouse() as con:
            return con.execute(
                f"select as_of, {columns} from latest_{table} join pricing_packs using (pack_id) "
                "where portfolio_id like '4444%' order by all"
            ).fetchall()


def worth(rows: list[dict[str, float]]) -> float:
    """Of a share held since the evening before, by the vendor's adjusted closes: shares after a split, else cash."""
    if len(rows) == 1:
        return rows[0]["close"]
    now, before = rows
    factor = (now["adj_close"] / now["close"]) / (before["adj_close"] / before["close"])
    if factor > 1.5 and abs(factor - round(factor)) < 1e-3:
        return now["close"] * round(factor)
    return now["close"] + before["close"] * (1 - 1 / factor)


def evening(day: date) -> dict[str, list[dict[str, float]]]:
    """Symbol -> its rows in the file of an evening, the newest first; of a name without one of that day, none."""
    told: dict[str, dict[str, dict[str, float]]] = {}  # by date: one evening tells everything twice
    with gzip.open(SHARED / f"prices_{day:%Y%m%d}.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            values = {name: float(row[name]) for name in ("close", "adj_close")}
            told.setdefault(row["symbol"], {})[row["date"]] = values
    return {
        symbol: [its[when] for when in sorted(its, reverse=True)]
        for symbol, its in told.items()
        if str(day) in its
    }


def test_two_weeks_with_a_missing_file_and_a_name_that_vanishes(tmp_path: Path) -> None:
    desk = Evenings(tmp_path, date(2015, 6, 4), date(2015, 6, 17))
    desk.run(twice_every=3)
    statuses = {day: status for day, (status, _) in desk.said.items() if status}
    assert statuses == {MISSING: 3, date(2015, 6, 16): 1}
    assert "only 0% of the" in desk.said[MISSING][1]
    assert "LO has no price in the last 5 sessions" in desk.said[date(2015, 6, 16)][1]
    desk.check_packs()
    desk.check_early_days()
    desk.check_nav()
    last = desk.sessions[-1]
    with desk.warehouse() as con:
        universe, problem = con.execute(
            "select universe, problem from latest_portfolio_snapshots where pack_id = ? and name = 'thirty'",
            [f"PP_{last}"],
        ).fetchall()[0]
        held = con.execute(
            "select count(*) from latest_holdings where pack_id = ? and symbol = 'LO'", [f"PP_{last}"]
        )
        assert held.fetchall() == [(0,)]
    assert problem is None
    assert json.loads(universe)["excluded"]["LO"].startswith("was delisted on 2015-06-10 for 71.37")


@pytest.mark.slow
def test_the_whole_year(tmp_path: Path) -> None:
    """Goes on where it was stopped, in the folder that PACKFOLIO_FEED_HOME names."""
    folder = Path(os.environ.get("PACKFOLIO_FEED_HOME", tmp_path))
    desk = Evenings(folder, date(2015, 3, 23), date(2015, 12, 31))
    desk.run(twice_every=25)
    assert {status for status, _ in desk.said.values()} == {0, 1, 3}
    desk.check_packs()
    desk.check_early_days()
    desk.check_nav()
    desk.check_replays()
