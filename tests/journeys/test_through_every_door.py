"""Limits, methods and estimates that peers have: YAML -> run -> weights, and a request -> answer, both judged in numpy.

Each policy is run as a portfolio's file and asked for over HTTP. The weights must be the same, keep the item by a count
that shares no code with ours, be no worse than portfolios drawn at random that keep it too, and be told the same in the
terminal. Where the item is a limit, the book without it breaks it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient
from small_desk import SYMBOLS, make_desk
from terminal import Terminal, terminal

from service.api import create_app
from service.settings import Settings

PACK, RATE, AVERSION = "PP_2024-02-28", 0.02, 2.5
SHARES = {"AAA": 500, "BBB": 300}
FUNDS = """\
as_of: "2024-01"
default_spread_bps: 50
funds:
  AAA: {name: treasuries, exposures: {us_treasury: 1.0}, total_notional: 1.0, source: made}
  BBB: {name: large, exposures: {us_large_equity: 1.0}, total_notional: 1.0, source: made}
  DDD: {name: both, exposures: {us_large_equity: 1.0, us_treasury: 1.0}, total_notional: 2.0, source: made}
"""
VIEWS = [{"assets": ["exposure:bonds"], "type": "absolute", "expected_return_pct": 3, "confidence": 1.0}]
BOX: dict[str, Any] = {"long_only": False, "asset_limits_pct": {s: [-30, 60] for s in SYMBOLS}}
Weights = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Facts:
    """What the pack believes of a book, read from its tables: fractions per year, and returns a day."""

    mean: Weights
    covariance: np.ndarray[Any, Any]
    days: np.ndarray[Any, Any]
    held: Weights

    def volatility(self, w: Weights) -> float:
        return float(np.sqrt(w @ self.covariance @ w))

    def shares(self, w: Weights) -> Weights:
        return np.asarray(w * (self.covariance @ w) / (w @ self.covariance @ w))

    def tail(self, w: Weights, daily: float = 0.0) -> float:
        """The mean loss of the worst 5% of days, a part of one day included."""
        losses, size = np.sort(daily - self.days @ w)[::-1], 0.05 * len(self.days)
        whole = int(size)
        return float((losses[:whole].sum() + (size - whole) * losses[whole]) / size)

    def balanced(self, w: Weights) -> float:
        """Return less half the aversion times the variance, to be greatest; the negative of it."""
        return -float(self.mean @ w + (1 - w.sum()) * RATE - AVERSION / 2 * self.volatility(w) ** 2)


@dataclass(frozen=True)
class Item:
    """A policy; whether weights keep what it asks; what is least of all weights that do; whether it is a limit."""

    policy: dict[str, Any]
    kept: Callable[[Facts, Weights], bool] = lambda facts, w: True
    least: Callable[[Facts, Weights], float] | None = None
    limits: bool = False
    short: bool = False


def largest(w: Weights, count: int) -> float:
    return float(np.sort(np.abs(w))[-count:].sum())


def volatile(facts: Facts, w: Weights) -> float:
    return facts.volatility(w)


def tail_shares(facts: Facts, w: Weights) -> Weights:
    """By central differences; days that tie for the edge of the tail move these by a few thousandths."""
    step = 1e-5 * np.eye(len(w))
    slope = np.array([(facts.tail(w + s) - facts.tail(w - s)) / 2e-5 for s in step])
    return np.asarray(w * slope / facts.tail(w))


def after_fees(facts: Facts, w: Weights) -> float:
    fees = np.array([0.005, 0.005, 0.005, 0.005, 0.02])
    return facts.balanced(w) + float(fees @ np.maximum(-w, 0))


def margin(w: Weights) -> float:
    return float(0.5 * np.maximum(w, 0).sum() + np.array([0.5, 0.5, 0.5, 0.5, 1.0]) @ np.maximum(-w, 0))


def starr(facts: Facts, w: Weights) -> float:
    return -float(facts.mean @ w - RATE) / facts.tail(w, (1 + RATE) ** (1 / 252) - 1)


BUDGETS = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
SOME = {"AAA": 40, "BBB": 30, "CCC": 10, "DDD": 10, "EEE": 10}
WIDE, FEED = {"method": "mean_variance", **BOX}, {"method": "min_volatility"}
ITEMS: dict[str, Item] = {
    "cvar-parity": Item(
        {"method": "cvar_risk_parity"}, lambda f, w: np.ptp(tail_shares(f, w)) < 0.02
    ),
    "cvar-budgets": Item(
        {"method": "cvar_risk_parity", "risk_budgets_pct": SOME},
        lambda f, w: np.abs(tail_shares(f, w) - BUDGETS).max() < 0.02,
    ),
    "return-to-cvar": Item({"method": "max_return_to_cvar"}, least=starr),
    "robust-cvar": Item(
        {"method": "robust_cvar", "wasserstein_radius": 0.002},
        least=lambda f, w: f.tail(w) + 0.002 / 0.05 * float(np.linalg.norm(w)),
    ),
    "hrp-ward": Item({"method": "hrp_ward"}, lambda f, w: bool((w > 0.01).all())),
    "graphical-lasso": Item({**FEED, "covariance_method": "graphical_lasso"}, least=volatile),
    "regime-ewma": Item({**FEED, "covariance_method": "regime_ewma"}, least=volatile),
    "geodesic": Item({**FEED, "covariance_method": "geodesic"}, least=volatile),
    "trade-limits": Item(
        {**FEED, "trade_limits_pct": {"AAA": 3, "BBB": 2}},
        lambda f, w: bool((np.abs(w - f.held)[:2] <= [0.03 + 1e-8, 0.02 + 1e-8]).all()), volatile, True,
    ),
    "largest": Item(
        {**FEED, "largest_limits_pct": {2: 60}}, lambda f, w: largest(w, 2) <= 0.6 + 1e-8, volatile, True
    ),
    "five-ten-forty": Item(
        {**FEED, "max_single_position_pct": 40, "large_holdings_pct": [15, 60]},
        lambda f, w: w.max() <= 0.4 + 1e-8 and w[w > 0.15 + 1e-7].sum() <= 0.6 + 1e-7, volatile, True,
    ),
    "risk-shares": Item(
        {**FEED, "max_risk_share_pct": 40}, lambda f, w: f.shares(w).max() <= 0.4 + 1e-7, volatile, True
    ),
    "risk-share-of-a-name": Item(
        {**FEED, "risk_share_limits_pct": {"AAA": [None, 30], "EEE": [10, None]}},
        lambda f, w: f.shares(w)[0] <= 0.3 + 1e-7 and f.shares(w)[4] >= 0.1 - 1e-7, volatile, True,
    ),
    "restricted": Item(
        {**FEED, "do_not_buy": {"AAA": "results are due"}, "do_not_sell": {"BBB": "a lock-up"},
         "do_not_trade": {"CCC": "a tender offer"}},
        lambda f, w: w[0] <= f.held[0] + 1e-8 and w[1] >= f.held[1] - 1e-8 and abs(w[2] - f.held[2]) < 1e-8,
        volatile, True,
    ),
    "few-and-short": Item(
        {**WIDE, "min_position_pct": 15, "max_holdings": 3, "max_gross_pct": 160},
        lambda f, w: (np.abs(w) > 1e-8).sum() <= 3 and np.abs(w).sum() <= 1.6 + 1e-8
        and bool((np.abs(w)[np.abs(w) > 1e-8] >= 0.15 - 1e-8).all()), Facts.balanced, True, True,
    ),
    "borrowed": Item(
        {**WIDE, "borrow_fee_pct": 0.5, "borrow_fees_pct": {"EEE": 2}, "max_margin_pct": 60,
         "margins_pct": {"EEE": [None, 100]}},
        lambda f, w: margin(w) <= 0.6 + 1e-8, after_fees, True, True,
    ),
    "spread-out": Item(
        {"method": "mean_variance", "l2_penalty": 0.2}, least=lambda f, w: f.balanced(w) + 0.2 * float(w @ w)
    ),
    "in-money": Item({**FEED, "rounding": "money"}, least=volatile),
}  # fmt: skip
PLAIN = {"long": FEED, "short": WIDE}


@dataclass(frozen=True)
class Desk:
    at: Terminal
    client: TestClient
    tables: duckdb.DuckDBPyConnection
    ran: Any

    def weights(self, name: str) -> Weights:
        rows = self.tables.execute(
            "select symbol, weight from latest_optimal_weights join latest_portfolio_snapshots using "
            "(portfolio_id, pack_id) where name = ? order by symbol", [name],
        ).fetchall()  # fmt: skip
        assert tuple(symbol for symbol, _ in rows) == SYMBOLS
        return np.array([weight for _, weight in rows])

    def facts(self, name: str, covariance_method: str) -> Facts:
        """Beliefs of a book; its covariance is the recipe's times what the beliefs make of its variances."""
        mean, spread, held = self.tables.execute(
            "select list(posterior_return order by symbol), list(posterior_volatility order by symbol), "
            "list(current_weight order by symbol) from latest_posterior_returns join latest_portfolio_snapshots "
            "using (portfolio_id, pack_id) join latest_optimal_weights using (portfolio_id, pack_id, symbol) "
            "where name = ?", [name],
        ).fetchall()[0]  # fmt: skip
        own = self.tables.execute(
            'select "values" from latest_covariances where recipe like ? order by symbol',
            [f"historical-{covariance_method}-252d-USD%"],
        ).fetchall()
        table = np.array([row for (row,) in own])
        closes = pd.read_csv(self.at.folder / "inbox" / "history.csv").pivot(
            index="date", columns="symbol", values="close"
        )
        days = closes[closes.index <= PACK[3:]].pct_change().tail(252).to_numpy()
        return Facts(np.array(mean), table * spread[0] ** 2 / table[0, 0], days, np.array(held))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("doors")
    make_desk(folder)
    place = folder / "config" / "portfolios"
    for file in place.glob("*.yaml"):
        file.unlink()
    (folder / "config" / "funds.yaml").write_text(FUNDS, "utf-8")
    policies = {**{name: item.policy for name, item in ITEMS.items()}, **PLAIN, "viewed": WIDE}
    for number, (name, policy) in enumerate(policies.items()):
        book = {
            "id": f"{number:08d}-1111-4111-8111-111111111111", "name": name, "mode": "live", "prior": "historical",
            "universe": list(SYMBOLS), "policy": {**policy, "risk_free_rate": RATE, "risk_aversion": AVERSION},
            "holdings": [{"as_of": "2022-12-01", "cash": 25000, "positions": SHARES}],
            "views": VIEWS if name == "viewed" else [],
        }  # fmt: skip
        (place / f"{name}.yaml").write_text(yaml.safe_dump(book), "utf-8")
    with terminal(folder) as at:
        ran = at.read("run", "--as-of", PACK[3:])
    app = create_app(Settings(at.home, at.config, folder / "decisions.jsonl"))
    with duckdb.connect(str(at.home / "published.duckdb"), read_only=True) as con, TestClient(app) as client:
        yield Desk(at, client, con, ran)


def asked(desk: Desk, policy: dict[str, Any]) -> dict[str, Any]:
    """The answer to a policy on the plain book, sent as JSON."""
    constraints = {**policy, "risk_free_rate": RATE, "risk_aversion": AVERSION}
    inputs = {"portfolio_id": "long", "pricing_pack_id": PACK, "constraints": constraints}
    answer = desk.client.post("/v1/execute", json={"pattern_id": "policy_rebalance", "inputs": inputs})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["result"]
    return found


@pytest.mark.parametrize("name", ITEMS)
def test_a_policy_is_solved_and_told_alike_at_every_door(desk: Desk, name: str) -> None:
    item, w = ITEMS[name], desk.weights(name)
    answer = asked(desk, item.policy)
    solver = answer["solver"]
    assert solver["primal_residual"] <= 1e-8 and solver["relative_gap"] <= 1e-6
    assert answer["constraints_met"] and not answer["warnings"]
    told = {trade["symbol"]: trade["target_weight_pct"] / 100 for trade in answer["trades"]}
    assert [told.get(s, 0.0) for s in SYMBOLS] == pytest.approx(w.tolist(), abs=1e-9)
    [book] = json.loads(typed(desk, "trades", PACK, "--portfolio", name))["portfolios"]
    keys = ("symbol", "action", "quantity", "rationale")
    assert [[t[k] for k in keys] for t in answer["trades"]] == [[t[k] for k in keys] for t in book["trades"]]
    impact = 100 * answer["impact"]["current_vol"], 100 * answer["impact"]["post_vol"]
    assert impact == pytest.approx((answer["current_volatility_pct"], answer["post_volatility_pct"]))
    if name == "restricted":
        [kept] = [t["rationale"] for t in answer["trades"] if t["symbol"] == "AAA"]
        assert kept == "No change (already at target weight): do not buy: results are due"


def typed(desk: Desk, *words: str) -> str:
    with terminal(desk.at.folder) as at:
        said = at(*words, "--json")
    assert said.status == 0, said
    return said.out


@pytest.mark.parametrize("name", ITEMS)
def test_a_policy_has_a_frontier_under_its_limits_but_those_on_trades(desk: Desk, name: str) -> None:
    item = ITEMS[name]
    inputs = {"portfolio_id": "long", "pricing_pack_id": PACK, "constraints": item.policy}
    answer = desk.client.post("/v1/execute", json={"pattern_id": "efficient_frontier", "inputs": inputs})
    assert answer.status_code == 200, answer.text
    points = answer.json()["result"]["points"]
    returns, risks = ([point[key] for point in points] for key in ("expected_return", "volatility"))
    assert len(points) >= 2 and returns == sorted(returns) and risks == sorted(risks)
    facts = desk.facts(name, "ledoit_wolf")
    for w in map(weights_in, points):  # told to six digits
        assert name != "largest" or largest(w, 2) <= 0.6 + 1e-5
        assert name != "risk-shares" or facts.shares(w).max() <= 0.4 + 1e-5


def weights_in(point: dict[str, Any]) -> Weights:
    return np.array([point["weights"].get(symbol, 0.0) for symbol in SYMBOLS])


@pytest.mark.parametrize("name", ["restricted", "trade-limits", "borrowed"])
def test_a_policy_is_backtested_without_what_is_of_today_alone(desk: Desk, name: str) -> None:
    with terminal(desk.at.folder) as at:
        said = at("backtest", "--portfolio", name, "--json")
    assert said.status == 0 and "failed" not in said.out, said


@pytest.mark.parametrize("name", ITEMS)
def test_no_portfolio_drawn_at_random_keeps_it_and_is_better(desk: Desk, name: str) -> None:
    item, w = ITEMS[name], desk.weights(name)
    facts = desk.facts(name, item.policy.get("covariance_method", "ledoit_wolf"))
    assert w.sum() == pytest.approx(1.0, abs=1e-9) and item.kept(facts, w)
    if item.limits:
        assert not item.kept(facts, desk.weights("short" if item.short else "long"))
    if item.least is None:
        return
    rng, best, tried = np.random.default_rng(7), item.least(facts, w), 0
    for number in range(3000):
        other = rng.dirichlet(np.ones(5)) if not item.short else rng.uniform(-0.3, 0.6, 5)
        other *= (rng.random(5) < 0.6) if number % 3 == 0 else 1.0
        if abs(other.sum()) < 0.1:
            continue
        other /= other.sum()
        if item.short and (other.min() < -0.3 or other.max() > 0.6):
            continue
        near = w + rng.choice([1.0, 0.1, 0.01]) * (other - w)
        if item.kept(facts, near):
            tried += 1
            assert item.least(facts, near) >= best - 1e-7 * abs(best)
    assert tried > 30


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"largest_limits_pct": {"two": 50}}, "largest_limits_pct.two: must be a whole number"),
        ({"large_holdings_pct": [60, 20]}, "large_holdings_pct is 60% and 20%; the first is a weight above 0%"),
        ({"large_holdings_pct": [10, 20]}, "relax one of: large_holdings_pct is 20% and must give way by 40.01%"),
        ({"max_holdings": 2, "max_single_position_pct": 30}, "max_holdings 2 (the caps need at least 4 names)"),
        ({"max_risk_share_pct": 10}, "max_risk_share_pct is 10% and must give way by 10.01%"),
        ({"risk_share_limits_pct": {"ZZZ": [None, 20]}}, "'ZZZ' is not known; there are"),
        ({"risk_budgets_pct": {"AAA": 50}, "method": "cvar_risk_parity"}, "risk_budgets_pct sum to 50%"),
        ({"borrow_fee_pct": 1}, "the policy is long-only, which forbids them"),
        ({"l2_penalty": 0.1, "method": "cvar"}, "method cvar cannot count l2_penalty; leave it out, or use one of"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_in_the_words_and_units_of_a_request(
    desk: Desk, policy: dict[str, Any], said: str
) -> None:
    inputs = {"portfolio_id": "long", "pricing_pack_id": PACK, "constraints": policy}
    answer = desk.client.post("/v1/execute", json={"pattern_id": "policy_rebalance", "inputs": inputs})
    assert answer.status_code in (409, 422) and said in answer.json()["message"], answer.text


def test_what_trades_do_not_allow_yet_is_told_in_percent_before_and_after_whole_shares(desk: Desk) -> None:
    answer = asked(desk, {**FEED, "trade_limits_pct": {"AAA": 1}, "max_single_position_pct": 20})
    [told] = answer["warnings"]
    assert told == "max_weight AAA is not met yet: 43.15%, limit 20%; it can hold after 25 rebalances"
    [cap] = [check for check in answer["constraints"] if check["constraint"] == "max_weight"]
    assert cap["limit"] == 0.2 and 0.43 < cap["achieved"] < 0.44


def test_a_view_on_an_exposure_moves_the_funds_that_hold_it(desk: Desk) -> None:
    """Bonds alone are AAA (1 - a) + DDD a - BBB a, of which (1 - a)^2 + 2 a^2 is least at a third."""
    before, after = desk.facts("short", "ledoit_wolf"), desk.facts("viewed", "ledoit_wolf")
    bonds = np.array([2, -1, 0, 1, 0]) / 3
    assert bonds @ after.mean + RATE * (1 - bonds.sum()) == pytest.approx(0.03, abs=1e-9)
    moved = (after.mean - before.mean) / (before.covariance @ bonds)
    assert moved == pytest.approx(moved[0], rel=1e-6)
