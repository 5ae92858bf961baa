"""A soak, opt-in: many accounts from their files to the trades, of which two in a hundred cannot be answered.

PACKFOLIO_SOAK_ACCOUNTS: how many, 400 when left out.
"""

import os
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from small_desk import FILES, SYMBOLS, price_file, sessions
from terminal import terminal

pytestmark = [pytest.mark.slow]
COUNT = int(os.environ.get("PACKFOLIO_SOAK_ACCOUNTS", "400"))
GOOD, TIGHT = "growth", "tight"
MODELS = {
    GOOD: "policy: {method: min_volatility, max_single_position_pct: 40, risk_free_rate: 0.02}",
    TIGHT: "policy: {method: min_volatility, max_volatility_pct: 1, forced_cash: fail, risk_free_rate: 0.02}",
}
BAD = ("no_price", "infeasible", "unknown_model", "short_cash")


def kind_of(number: int) -> str:
    """Of fifty accounts one is bad, each time in another way."""
    return "good" if number % 50 else BAD[number // 50 % len(BAD)]


def account_rows() -> Iterator[tuple[str, str]]:
    """The lines of both files for each account."""
    dice = random.Random(1)
    for number in range(COUNT):
        kind, key = kind_of(number), f"A{number:06}"
        model = {"infeasible": TIGHT, "unknown_model": "nobodys"}.get(kind, GOOD)
        held = {symbol: dice.randint(1, 500) for symbol in dice.sample(SYMBOLS, 3)}
        held["CASH"] = -10_000_000 if kind == "short_cash" else dice.randint(100, 5_000)
        if kind == "no_price":
            held["GONE"] = 5
        yield f"{key},{model}", "\n".join(f"{key},{symbol},2024-02-01,{q}" for symbol, q in held.items())


def write_desk(folder: Path) -> date:
    """Two models, five symbols that are priced and one that no longer is, and the accounts."""
    days = sessions()
    for name in ("pipeline.yaml", "funds.yaml", "sources.yaml"):
        (folder / "config").mkdir(parents=True, exist_ok=True)
        (folder / "config" / name).write_text(FILES[name])
    (folder / "config" / "models").mkdir()
    for name, policy in MODELS.items():
        text = f"name: {name}\nuniverse: [{', '.join(SYMBOLS)}]\n{policy}\n"
        (folder / "config" / "models" / f"{name}.yaml").write_text(text)
    inbox = folder / "inbox"
    inbox.mkdir()
    (inbox / "history.csv").write_text(price_file(days))
    (inbox / "ended.csv").write_text(price_file(days[:200], ("GONE",), seed=2))
    accounts, positions = zip(*account_rows(), strict=True)
    (inbox / "accounts.csv").write_text("account,model\n" + "\n".join(accounts) + "\n")
    (inbox / "account_positions.csv").write_text(
        "account,symbol,as_of,quantity\n" + "\n".join(positions) + "\n"
    )
    return days[-1]


def test_a_soak_answers_the_good_gives_a_reason_for_each_bad_one_and_verifies(tmp_path: Path) -> None:
    day = write_desk(tmp_path)
    kinds = {f"A{number:06}": kind_of(number) for number in range(COUNT)}
    bad = {key: kind for key, kind in kinds.items() if kind != "good"}
    assert set(bad.values()) == set(BAD)
    with terminal(tmp_path) as at:
        said = at("run", "--as-of", str(day))
        assert said.status == 1, said
        with duckdb.connect(str(at.home / "published.duckdb"), read_only=True) as con:
            results = {
                key: (status, reason)
                for key, status, reason in con.execute(
                    "select portfolio_id, status, reason from latest_optimization_results"
                ).fetchall()
            }
            aside = dict(
                con.execute("select account, reason from quarantine where code = 'UNKNOWN_MODEL'").fetchall()
            )
            traded = {row[0] for row in con.execute("select portfolio_id from latest_trade_lists").fetchall()}
        answered = {key for key, (status, _) in results.items() if status == "optimal"}
        assert answered == traded == kinds.keys() - bad.keys()
        reasons = {key: reason for key, (status, reason) in results.items() if status != "optimal"} | aside
        assert reasons.keys() == bad.keys()
        assert all(reasons.values())
        words = {"no_price": "GONE", "infeasible": "volatility", "unknown_model": "nobodys", "short_cash": ""}
        assert all(words[kind] in reasons[key] for key, kind in bad.items())
        assert at("packs", "verify").status == 0
        assert at("run", "--as-of", str(day)).status == 1
