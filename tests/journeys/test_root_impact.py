"""Square-root impact by the volumes of the pack, in the trades and in the backtest; or the reason why not."""

from math import sqrt
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_desk import make_desk
from zygote import Zygote

pytestmark = pytest.mark.xdist_group("zygote")


@pytest.mark.slow
@pytest.mark.parametrize("replayed", [False, True])
def test_the_impact_of_a_trade_follows_from_the_volumes_of_the_pack(tmp_path: Path, replayed: bool) -> None:
    days = make_desk(tmp_path)
    (tmp_path / "config" / "portfolios" / "paper.yaml").unlink()
    book = tmp_path / "config" / "portfolios" / "book.yaml"
    told = yaml.safe_load(book.read_text())
    told["policy"] |= {"root_impact": 1.0, "market_impact_bps": 2.0, "max_participation_pct": 0.25}
    told["policy"] |= {"cost_horizon_years": 1.0} if replayed else {}
    book.write_text(yaml.safe_dump(told))
    history = tmp_path / "inbox" / "history.csv"
    prices = pd.read_csv(history)
    prices["volume"] = [20_000 + 100 * (row % 57) for row in range(len(prices))]
    prices.loc[prices["symbol"] == "EEE", "volume"] = pd.NA
    prices["volume"] = prices["volume"].astype("Int64")
    history.write_text(prices.to_csv(index=False))
    zygote, pack = Zygote(tmp_path), f"PP_{days[-1]}"
    if replayed:
        status, said = zygote.packfolio("run", "--as-of", str(days[-1]))
        assert status == 1
        assert "no volume of EEE is known in the last 21 sessions" in said

    told["universe"].remove("EEE")
    book.write_text(yaml.safe_dump(told))
    assert zygote.packfolio("run", "--as-of", str(days[-1]))[0] == 0
    (found,) = zygote.read("trades", pack)["portfolios"]
    traded = [row for row in found["trades"] if row["quantity"]]
    assert len(traded) >= 2
    for row in traded:
        own = prices[prices["symbol"] == row["symbol"]]
        volume = (own["close"] * own["volume"]).tail(21).mean()
        moves = own["close"].pct_change().tail(21).std()
        value = float(row["quantity"]) * float(row["price"])
        cost = 5 + value * 2e-4 + moves * value * sqrt(value / float(volume))
        assert float(row["cost"]) == pytest.approx(cost, abs=0.005)

    schedule = pd.DataFrame(found["trade_schedule"])
    for row in traded:
        mine = schedule[schedule["symbol"] == row["symbol"]]
        assert mine["quantity"].sum() == pytest.approx(float(row["quantity"]))
        assert len(mine) == mine["days"].iloc[0] and mine["left_quantity"].iloc[-1] == 0
    assert schedule["days"].max() > 1
    assert "takes more than a day" in zygote.packfolio("trades", pack)[1]
    symbol = str(schedule["symbol"].iloc[0])
    assert "trades" in zygote.packfolio("trace", "trade_schedule", pack, symbol)[1]
    if replayed:
        assert zygote.packfolio("packs", "replay", pack)[0] == 0

    if replayed:
        swept = zygote.read("backtest", "--sweep", "root_impact=0,1,2")["portfolios"]["book"]
        drags = [swept[name]["cost_drag"] for name in ("root_impact=0", "policy", "root_impact=2")]
        assert drags[0] < drags[1] < drags[2]
        assert "root_impact=1" not in swept  # it is the policy's own, and no trial beside it
