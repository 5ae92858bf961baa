"""Many portfolios of a pack as sums, and as the terminal tells them."""

import io
from typing import Any

import pandas as pd
import pytest
from bench import DAYS, STAMP, cut, ingest, price_rows

from optimizer import DataError
from pipeline.commands.printed.show_many import show_summary
from pipeline.commands.terminal import Terminal
from resources.results.many import WORST, portfolio_count, summary_of
from resources.store.transaction import Versions
from resources.store.warehouse import Warehouse

BOOKS = [f"book-{number:02}" for number in range(40)]
FAILED = BOOKS[7]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    warehouse = Warehouse(tmp_path_factory.mktemp("many"))
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", price_rows())
    pack = cut(warehouse, DAYS[-1])
    said = {
        "mode": "live",
        "base_currency": "USD",
        "policy": "{}",
        "views": "[]",
        "benchmark": "{}",
        "universe": "{}",
    }
    results = pd.DataFrame({"portfolio_id": BOOKS, "method": "m", "status": "optimal", "volatility": 0.2})
    results["reason"] = None
    results.loc[7, ["status", "volatility", "reason"]] = ["infeasible", None, "max_turnover is too tight"]
    lists = pd.DataFrame(
        {"portfolio_id": BOOKS, "turnover": 0.1, "bought": 10.0, "sold": 0.0, "constraints_met": True}
    )
    lists["cost_bps"] = [float(number) for number in range(len(BOOKS))]
    results.loc[10:34, ["status", "reason"]] = ["no_trade", "no trade: drift 0.8% of 2%"]
    lists.loc[10:34, ["cost_bps", "bought"]] = [None, 0.0]
    lists["warnings"] = None
    lists.loc[3, ["constraints_met", "warnings"]] = [False, '["max_sector is 31%, its limit is 30%", "b"]']
    written = {
        "portfolio_snapshots": {
            "portfolio_snapshots": pd.DataFrame({"portfolio_id": BOOKS, "name": BOOKS}).assign(**said)
        },
        "optimal_weights": {"optimization_results": results},
        "trades": {"trade_lists": lists.drop(index=7)},
    }
    with warehouse.write(STAMP) as tx:
        for asset, tables in written.items():
            tx.record_units(asset, pack.id, Versions(tables, dict.fromkeys(BOOKS, tuple(tables)), {}, {}))
    with warehouse.live() as con:
        assert portfolio_count(con, pack.id) == len(BOOKS)
        with pytest.raises(DataError, match="no pack PP_1999-01-01"):
            summary_of(con, "PP_1999-01-01")
        return summary_of(con, pack.id)


def test_outcomes_spread_and_the_worst_are_told(summary: Any) -> None:
    assert [(row["outcome"], row["portfolios"], row["trading"]) for row in summary["outcomes"]] == [
        ("no_trade", 25, 0), ("optimal", 13, 13), ("infeasible", 1, 0), ("optimal", 1, 1),
    ]  # fmt: skip
    spread = {row["measure"]: row for row in summary["spread"]}
    assert set(spread) == {"volatility", "turnover", "cost_bps"}  # nothing is told of what nobody has
    assert (spread["cost_bps"]["lowest"], spread["cost_bps"]["highest"]) == (0.0, 39.0)
    assert len(summary["worst"]) == WORST
    first, second, third, *_, last = summary["worst"]
    assert (first["name"], first["reason"]) == (FAILED, "max_turnover is too tight")
    assert (second["name"], second["reason"]) == ("book-03", "max_sector is 31%, its limit is 30%")
    assert (third["name"], third["reason"]) == ("book-39", None)
    assert last["outcome"] == "no_trade"  # of 25, which stood before the one that had failed


def test_the_terminal_tells_a_summary(summary: Any) -> None:
    out = Terminal(file=io.StringIO(), width=120, emoji=False)
    show_summary(out, summary)
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert (
        "39" in said
        and "do not all hold" in said
        and "infeasible" in said
        and "max_turnover is too tight" in said
    )
    assert said.count("book-") == WORST
    assert "packfolio trades --portfolio NAME" in said
