"""A policy that asks for a factor model, from prices and a file of characteristics to trades, traced and replayed."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from small_desk import SYMBOLS, make_desk
from zygote import Zygote

pytestmark = pytest.mark.xdist_group("zygote")
CHARACTERISTICS = "symbol,date,name,value,known_at\n"


def make_factor_desk(folder: Path) -> str:
    """The small desk with a factor model, a limit on a factor, sectors and a score; gives the pack."""
    days = make_desk(folder)
    (folder / "config" / "portfolios" / "paper.yaml").unlink()
    path = folder / "config" / "portfolios" / "book.yaml"
    book = yaml.safe_load(path.read_text())
    book["policy"] |= {
        "method": "min_volatility", "covariance_method": "factor_model", "lookback_days": 120,
        "limits": ["factor:value >= 0.1", "risk:specific <= 80%"], "max_risk_share_pct": 60,
        "tax": {"method": "hifo", "short_rate_pct": 40, "long_rate_pct": 20},
    }  # fmt: skip
    old = {"acquired": date(2020, 3, 2), "quantity": 400, "cost_basis": 60}
    dear = {"acquired": date(2022, 11, 1), "quantity": 100, "cost_basis": 150, "id": "dear"}
    book["holdings"][0]["positions"] = {
        "AAA": {"lots": [old, dear]},
        "BBB": {"lots": [old | {"acquired": date(2021, 5, 3)}]},
    }
    book["benchmark"] = dict.fromkeys(SYMBOLS, 20)
    path.write_text(yaml.safe_dump(book))
    del book["policy"]["limits"]  # a replay has no loadings of its days to hold a limit by
    del book["policy"]["max_risk_share_pct"]  # a limit on shares of risk makes the frontier slow to draw
    book["policy"] |= {
        "method": "mean_variance", "horizon": {"steps": 3, "step_days": 10, "half_life_days": 20},
    }  # fmt: skip
    free = book | {"id": "55555555-5555-5555-5555-555555555555", "name": "free"}
    path.with_name("free.yaml").write_text(yaml.safe_dump(free))
    sources = folder / "config" / "sources.yaml"
    sources.write_text(sources.read_text() + "reference_folder: reference\n")
    reference = folder / "config" / "reference"
    reference.mkdir()
    scores = {
        "symbol": list(SYMBOLS), "date": [days[0]] * 5, "name": ["score"] * 5, "value": [i % 3 + 0.5 for i in range(5)],
        "known_at": [days[0]] * 5,
    }  # fmt: skip
    pq.write_table(pa.table(scores), folder / "inbox" / "characteristics_scores.parquet")
    rows = "".join(f"{symbol},{days[0]},value,{i + 1},{days[0]}\n" for i, symbol in enumerate(SYMBOLS))
    rows += f"AAA,{days[-2]},value,9,2999-01-01\n"
    (reference / "characteristics.csv").write_text(CHARACTERISTICS + rows)
    return f"PP_{days[-1]}"


def test_from_prices_to_trades_by_factors(tmp_path: Path) -> None:
    pack = make_factor_desk(tmp_path)
    zygote = Zygote(tmp_path)
    status, said = zygote.packfolio("run", "--as-of", pack[3:])
    assert status == 0, said
    first = zygote.read("trace", "factor_exposures", pack, "AAA", "value")
    assert [node["facts"]["value"] for node in first["from"] if node["label"] == "characteristics AAA"] == [
        1.0
    ]
    tree = zygote.read("trace", "factor_exposures", pack, "CCC", "value")
    (score,) = [node for node in tree["from"] if node["label"] == "characteristics CCC"]
    assert score["facts"]["value"] == 3.0
    scored = zygote.read("trace", "factor_exposures", pack, "BBB", "score")
    (score,) = [node for node in scored["from"] if node["label"] == "characteristics BBB"]
    (brought,) = score["from"]
    assert score["facts"]["value"] == 1.5 and "characteristics_scores.parquet" in brought["from"][0]["label"]
    loadings = {
        symbol: zygote.read("trace", "factor_exposures", pack, symbol, "value")["facts"]["exposure"]
        for symbol in SYMBOLS
    }
    weights = zygote.read("trace", "optimal_weights", pack)
    told = [node["facts"] for node in weights["from"]]
    held = {row["symbol"]: row["weight"] for row in told if row["portfolio_id"].startswith("1111")}
    assert sum(held[symbol] * loadings[symbol] for symbol in held) >= 0.1 - 1e-7
    beliefs = zygote.read("trace", "posterior_returns", pack)
    for row in (node["facts"] for node in beliefs["from"]):
        parts = row["spanned_return"] + row["own_return"]
        assert row["posterior_return"] - parts == pytest.approx(0.02, abs=1e-12)  # what cash earns
    trades = zygote.read("trades", pack)
    planned(trades)
    assert "moves the exposure to " in str(trades)
    [by_lots] = [one for one in trades["portfolios"] if one["name"] == "book"]
    assert "dear" in {lot["lot_id"] for lot in by_lots["lot_sales"]}  # so the replay below is of lots as well
    status, said = zygote.packfolio("backtest", "--portfolio", "free")
    assert status == 0, said
    risk_adds_up(zygote, pack, loadings)
    return_adds_up(zygote)
    assert zygote.read("packs", "replay", pack)["identical"] is True
    status, said = zygote.packfolio("packs", "verify")
    assert status == 0, said


def planned(trades: Any) -> None:
    """The book whose policy has a horizon trades the first step of a proven plan, and says by what policy."""
    [free] = [one for one in trades["portfolios"] if one["name"] == "free"]
    result = free["result"]
    assert result["status"] == "optimal" and result["certificate"]["relative_gap"] < 1e-6
    assert result["diagnostics"]["policy_as_applied"]["horizon"]["steps"] == 3
    assert free["totals"]["constraints_met"] and any(order["quantity"] for order in free["trades"])


def risk_adds_up(zygote: Zygote, pack: str, loadings: dict[str, float]) -> None:
    """By factor and by name, on both sides of the trades; each trade's part, and the way back to the rows."""
    told = zygote.read("attribution", "book")
    for basis in ("total", "active"):
        risk = told["predicted"][basis]
        for side in (0, 1):
            whole = risk["volatility"][side]
            for parts in ("factors", "symbols"):
                assert sum(row["risk"][side] for row in risk[parts]) == pytest.approx(whole, abs=1e-12)
    (value,) = [row for row in told["predicted"]["total"]["factors"] if row["part"] == "value"]
    held = {row["symbol"]: row["weight"] for row in told["trades"]}
    for side in (0, 1):
        by_hand = sum(held[symbol][side] * loadings[symbol] for symbol in held)
        assert value["exposure"][side] == pytest.approx(by_hand, abs=1e-12)
    moved = sum(row["exposures"]["value"] for row in told["trades"])
    assert moved == pytest.approx(value["exposure"][1] - value["exposure"][0], abs=1e-12)
    assert any("market_caps" in row["note"] and "size" in row["factors"] for row in told["missing"])
    notes = zygote.read("trades", pack)["notes"]
    assert any(note.startswith("FACTORS_LEFT_OUT") and "securities" in note for note in notes)
    assert any(note.startswith("FACTOR_MODEL_DOUBTED: 5 names carry 3 factors") for note in notes)
    _, said = zygote.packfolio("doctor")
    assert "factor model: no" in said and "market_caps" in said
    tree = zygote.read("trace", "factor_risks", pack, "book", "value")
    below = {node["label"] for side in tree["from"] for node in side["from"]}
    assert {"factor_exposures AAA value", "factor_covariances value"} <= below and "trades AAA" in below
    name = zygote.read("trace", "factor_risks", pack, "book", "AAA")
    below = {node["label"] for node in name["from"][0]["from"]}
    assert {"factor_exposures AAA value", "specific_risks AAA", "trades AAA"} <= below
    assert "factor_exposures BBB value" not in below


def return_adds_up(zygote: Zygote) -> None:
    """Money and linked returns, over the whole backtest and a window of it; and what is no window."""
    whole = zygote.read("attribution", "free")["realised"]
    part = zygote.read("attribution", "free", "--from", "2023-11-01", "--to", "2023-12-29")["realised"]
    assert (part["from"], part["to"]) == ("2023-11-01", "2023-12-29") and whole["days"] > part["days"] > 30
    for told in (whole, part):
        for rows in ("parts", "groups"):
            for key, total in (
                ("contribution", told["total"]),
                ("active", told["active"]),
                ("money", told["value"] * told["total"]),
            ):
                assert sum(row[key] for row in told[rows]) == pytest.approx(total, abs=1e-9)
        assert told["active"] == pytest.approx(told["total"] - told["benchmark"], abs=1e-12)
        last = sum(path[-1] for path in told["path"]["groups"].values())
        assert last == pytest.approx(told["total"], abs=1e-9)
        costs = next(row for row in told["parts"] if row["part"] == "COSTS")
        assert costs["contribution"] <= 0 and costs["standard_error"] is None
    status, said = zygote.packfolio("attribution", "free", "--from", "1999-01-01", "--to", "1999-02-01")
    assert status == 2 and "its days are" in said
