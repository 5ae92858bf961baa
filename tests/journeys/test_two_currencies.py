"""A book in two currencies: converted at the pack's rates from price to trade, and refused where a rate is missing."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from small_desk import make_desk, price_file
from zygote import Zygote

from resources.store.warehouse import Warehouse

pytestmark = pytest.mark.xdist_group("zygote")
PER_USD = 1.3  # CAD on the newest day; 1.25 before


@pytest.mark.slow
def test_a_usd_and_a_cad_line_convert_at_the_packs_rates_and_a_missing_rate_is_told(tmp_path: Path) -> None:
    days = make_desk(tmp_path)
    (tmp_path / "canada").mkdir()
    (tmp_path / "canada" / "history.csv").write_text(price_file(days, ("MAPLE",), seed=2))
    config = tmp_path / "config"
    (config / "portfolios" / "paper.yaml").unlink()
    book = config / "portfolios" / "book.yaml"
    book.write_text(book.read_text().replace("EEE]", "EEE, MAPLE]").replace("BBB: 300", "MAPLE: 700"))
    with (config / "sources.yaml").open("a") as sources:
        sources.write("  - {name: canada, kind: folder, path: ../canada, basis: as_traded, currency: CAD}\n")
        sources.write("reference_folder: reference\n")
    (config / "reference").mkdir()
    zygote = Zygote(tmp_path)

    status, said = zygote.packfolio("run", "--as-of", str(days[-2]))
    assert (status, f"no exchange rate CAD/USD for {days[-2]}" in " ".join(said.split())) == (1, True), said

    rates = [f"USD,CAD,{day},{PER_USD if day == days[-1] else 1.25}" for day in days]
    (config / "reference" / "fx_rates.csv").write_text("\n".join(["base,quote,date,rate", *rates]) + "\n")
    status, said = zygote.packfolio("run", "--as-of", str(days[-1]))
    assert status == 0, said
    (listed,) = zygote.read("trades", f"PP_{days[-1]}")["portfolios"]
    rows = {row["symbol"]: row for row in listed["trades"]}
    maple, plain = rows["MAPLE"], rows["AAA"]
    assert (maple["currency"], plain["currency"], plain["fx_rate"]) == ("CAD", "USD", 1.0)
    assert maple["fx_rate"] == pytest.approx(1 / PER_USD, abs=1e-15)
    assert maple["price"] == pytest.approx(maple["local_price"] / PER_USD, rel=1e-12)
    totals = listed["totals"]
    held = 25_000 + 500 * plain["price"] + 700 * maple["price"]
    assert float(totals["nav_before"]) == pytest.approx(held, abs=1e-3)
    sums = {
        side: sum((Decimal(r["value"]) for r in rows.values() if r["action"] == side), Decimal(0))
        for side in ("BUY", "SELL")
    }
    paid = sum((Decimal(row["cost"]) for row in rows.values()), Decimal(0))
    cash = Decimal(totals["cash_before"]) - Decimal(totals["cash_after"])
    assert sums["BUY"] + paid == sums["SELL"] + cash
    with Warehouse(
        tmp_path / "home"
    ).read() as con:  # risk is that of a holder in USD: the rate's moves are in it
        (risk,) = con.execute(
            "select volatility from latest_return_estimates where symbol = 'MAPLE' and pack_id = ?",
            [f"PP_{days[-1]}"],
        ).fetchall()[0]
    closes = np.array(
        [float(line.split(",")[2]) for line in price_file(days, ("MAPLE",), seed=2).split()[1:]]
    )
    assert risk > np.std(closes[-252:] / closes[-253:-1] - 1) * 252**0.5 * 1.02
