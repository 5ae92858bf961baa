"""A policy that asks for a factor model, from prices and a file of characteristics to trades, traced and replayed."""

from pathlib import Path

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
    }  # fmt: skip
    path.write_text(yaml.safe_dump(book))
    sources = folder / "config" / "sources.yaml"
    sources.write_text(sources.read_text() + "reference_folder: reference\n")
    reference = folder / "config" / "reference"
    reference.mkdir()
    rows = "".join(f"{symbol},{days[0]},score,{i % 3}.5,{days[0]}\n" for i, symbol in enumerate(SYMBOLS))
    rows += "".join(f"{symbol},{days[0]},value,{i + 1},{days[0]}\n" for i, symbol in enumerate(SYMBOLS))
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
    loadings = {
        symbol: zygote.read("trace", "factor_exposures", pack, symbol, "value")["facts"]["exposure"]
        for symbol in SYMBOLS
    }
    weights = zygote.read("trace", "optimal_weights", pack)
    held = {node["facts"]["symbol"]: node["facts"]["weight"] for node in weights["from"]}
    assert sum(held[symbol] * loadings[symbol] for symbol in held) >= 0.1 - 1e-7
    beliefs = zygote.read("trace", "posterior_returns", pack)
    for row in (node["facts"] for node in beliefs["from"]):
        assert row["spanned_return"] + row["own_return"] == pytest.approx(
            row["posterior_return"] - 0.04, abs=0.05
        )
    trades = zygote.read("trades", pack)
    assert "moves the exposure to " in str(trades)
    assert zygote.read("packs", "replay", pack)["identical"] is True
