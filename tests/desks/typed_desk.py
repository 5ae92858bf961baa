"""One small desk with two sources, three packs and three portfolios, made by typing commands at it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from small_desk import make_desk
from terminal import Said, Terminal, terminal

from resources.ledger.ledger import Stamp
from resources.store.warehouse import Warehouse

SOURCES = """
sources:
  - {name: inbox, kind: folder, path: ../inbox, basis: as_traded}
  - {name: annex, kind: folder, path: ../annex, basis: as_traded}
"""
TIGHT = """
id: 33333333-3333-3333-3333-333333333333
name: tight
mode: live
universe: [AAA, BBB]
policy: {method: min_volatility, max_volatility_pct: 1, forced_cash: fail, risk_free_rate: 0.02}
holdings:
  - {as_of: 2022-12-01, cash: 1000}
"""
WEDNESDAY, REVISED, THURSDAY = "PP_2024-02-28", "PP_2024-02-28.2", "PP_2024-02-29"
BOOK, PAPER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@dataclass(frozen=True)
class Typed:
    """The desk, and what each of the commands said that made it."""

    at: Terminal
    made_in: Path
    ingested: dict[str, tuple[Any, list[tuple[Any, ...]]]]
    first: Any
    second: Said
    rejected: Any
    revised: Any
    backtest: Any


def typed_desk(folder: Path) -> Typed:
    """Two ingests, a run, a restated close, a run with an infeasible portfolio, a rejected one, a revision."""
    make_desk(folder)
    (folder / "config" / "sources.yaml").write_text(SOURCES)
    (folder / "annex").mkdir()
    days = ("2024-02-26", "2024-02-27", "2024-02-28", "2024-02-29")
    (folder / "annex" / "fff.csv").write_text(
        "symbol,date,close\n" + "".join(f"FFF,{day},{number}0\n" for number, day in enumerate(days, 1))
    )
    with terminal(folder) as at:
        ingested = {}
        for words in (
            ("--end", "2024-02-27", "--source", "inbox"),
            ("--source", "annex", "--start", "2024-02-29"),
        ):
            said = at.read("ingest", *words)
            ingested[words[1]] = (
                said,
                read_published(at, "select source, max(date), count(*) from prices group by 1"),
            )
        first = at.read("run", "--as-of", "2024-02-28")
        (folder / "inbox" / "restated.csv").write_text("symbol,date,close\nAAA,2024-02-28,90\n")
        (folder / "config" / "portfolios" / "tight.yaml").write_text(TIGHT)
        second = at("run")
        assert second.status == 1 and second.err.startswith("1 without weights: tight: "), second
        rejected = at.read("run", "--as-of", "2024-03-20", status=3)
        revised = at.read("packs", "revise", "2024-02-28", "--reason", "  a restated close ", status=1)
        backtest = at.read("backtest", "--portfolio", "book")
        write_risk(at.home)
        return Typed(at, at.home, ingested, first, second, rejected, revised, backtest)


def read_published(at: Terminal, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(at.home / "published.duckdb"), read_only=True) as con:
        return sorted(con.execute(sql).fetchall())


def write_risk(home: Path) -> None:
    """Two scenarios for each of two portfolios and a regime, of round figures."""
    at = datetime.now(UTC).replace(tzinfo=None)  # never before the newest row of the ledger
    store = Warehouse(home)
    for place, portfolio in enumerate((BOOK, PAPER)):
        losses = pd.DataFrame({
            "scenario_id": ["CRASH", "RATES"], "profit": [-1000.0 - place, 250.0], "standard_error": [10.0, 5.0],
            "replayed": [0, 0], "hedge_offset": [400.0, 0.0], "hedge_cost": [20.0, 0.0],
            "residual_loss": [600.0, 0.0], "note": ["", "nothing is lost"],
        })  # fmt: skip
        hedges = pd.DataFrame({
            "scenario_id": ["CRASH"], "instrument": ["SPX"], "action": ["BUY"], "option_type": ["PUT"],
            "quantity": [2 + place], "sequence": [1],
        })  # fmt: skip
        with store.write(Stamp("by hand", at, "test", "none")) as tx:
            tx.record(
                "hedges",
                {"scenario_losses": losses, "hedges": hedges},
                pack_id=REVISED,
                portfolio_id=portfolio,
            )
    store.publish()
