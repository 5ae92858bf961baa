"""A warehouse with many small accounts of a few models, good and bad, for what computes them in shards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench import PRICE_TYPES, ingest, price_rows
from source_tree import ROOT

from assets.shared.portfolio_rows import Batch, record_each
from resources.books.paper import Holdings
from resources.books.snapshots import Snapshot, read_snapshots
from resources.fleet.engines import compute
from resources.fleet.work import read_work
from resources.ledger.ledger import Stamp
from resources.packs.packs import Pack, cut_pack
from resources.results.accounts.answers import Answers
from resources.results.accounts.stages import STAGES
from resources.results.estimates.estimate_rows import estimate_frames
from resources.results.estimates.pack_estimates import estimate_evidence
from resources.results.factor_models.fitting import fitted_models, wanted_recipes
from resources.results.factor_models.model_rows import factor_frames
from resources.results.stage_inputs import Inputs, read_inputs
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import Configuration, load_configuration
from resources.settings.fleet import FleetFile
from resources.settings.portfolios import PortfolioFile
from resources.settings.yaml_files import parse_yaml
from resources.store.warehouse import Warehouse

STAMP = Stamp("run", datetime(2024, 3, 1, tzinfo=UTC).replace(tzinfo=None), "test", "none")
STOCKS = tuple(f"S{number:02d}" for number in range(12))
SYMBOLS = (*STOCKS, "SPY", "TLT")
DAYS = tuple(day for day in (date(2022, 6, 1) + timedelta(days=n) for n in range(630)) if day.weekday() < 5)
MODELS = {
    "views": "views: [{assets: [S01], type: absolute, expected_return_pct: 14, confidence: 0.5}]\n"
    "policy: {max_single_position_pct: 40, risk_free_rate: 0.02, max_turnover_pct: 40}",
    "tails": "policy: {method: cvar, max_single_position_pct: 40, risk_free_rate: 0.02}",
    "market": "policy: {method: min_volatility, max_single_position_pct: 30, risk_free_rate: 0.02, root_impact: 1.0}",
    "tight": "policy: {method: min_volatility, max_volatility_pct: 1, forced_cash: fail, risk_free_rate: 0.02}",
    "unpriced": "policy: {risk_free_rate: 0.02}",
}
FACTORS = {
    "factors": "policy: {method: min_volatility, covariance_method: factor_model, lookback_days: 120, "
    "max_single_position_pct: 40, risk_free_rate: 0.02}",
}
INPUTS = ["return_estimates", "covariances", "portfolio_snapshots"]


@dataclass(frozen=True)
class FleetDesk:
    """A warehouse with a pack, accounts under it, and their estimates; nothing else computed yet."""

    warehouse: Warehouse
    pack: Pack
    desk: Configuration

    def under(self, **fleet: Any) -> "FleetDesk":
        """The same desk with another fleet."""
        return replace(self, desk=replace(self.desk, fleet=FleetFile(**fleet)))

    def answers(self, stage: str) -> Answers:
        """One stage of all accounts."""
        with self.warehouse.live() as con:
            work = read_work(con, self.pack, stage, read_snapshots(con, self.pack), self.desk)
        return compute(work, self.desk, self.warehouse.home, "run")

    def record(self, stage: str, answers: Answers) -> None:
        """Writes what a stage answered."""
        with self.warehouse.write(STAMP) as tx:
            seen = read_inputs(tx.con, self.pack, INPUTS)
            record_each(tx, stage, self.pack, Batch(answers.tables, answers.stated), seen)


def make_fleet_desk(folder: Path, accounts: int | Mapping[str, int], seed: int = 3) -> FleetDesk:
    """`accounts` of each model, or so many of each; with accounts of FACTORS every recipe has a factor model."""
    numbers = accounts if isinstance(accounts, Mapping) else dict.fromkeys(MODELS, accounts)
    warehouse = Warehouse(folder)
    closes = _closes(np.random.default_rng(seed))
    with warehouse.write(STAMP) as tx:
        rows = price_rows(days=DAYS, symbols=SYMBOLS).to_pylist()
        told = [row | {"close": closes[row["symbol"]][row["date"]], "dividend": 0.0} for row in rows]
        ingest(tx, "prices", pa.Table.from_pylist(told, schema=PRICE_TYPES))
    rate = {"base": "EUR", "quote": "USD", "source": "feed"}
    rates = [rate | {"date": day, "rate": 1.1 + number / 7000} for number, day in enumerate(DAYS)]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "fx_rates", pa.Table.from_pylist(rates))
    with warehouse.write(STAMP) as tx:
        pack = cut_pack(tx, DAYS[-1], ["feed"], DAYS, CheckLimits()).pack
    made = FleetDesk(warehouse, pack, load_configuration(ROOT / "config"))
    _take(made, numbers, np.random.default_rng(seed))
    if numbers.keys() & FACTORS.keys():
        _fit(made)
    _estimate(made)
    return made


def _closes(rng: np.random.Generator) -> dict[str, dict[date, float]]:
    market = rng.normal(3e-4, 0.008, (len(DAYS), 1))
    own = rng.normal(0, 0.008, (len(DAYS), len(SYMBOLS)))
    paths = 100 * np.exp(np.cumsum(market * np.linspace(0.5, 1.5, len(SYMBOLS)) + own, axis=0))
    return {symbol: dict(zip(DAYS, paths[:, i].tolist(), strict=True)) for i, symbol in enumerate(SYMBOLS)}


def _take(made: FleetDesk, numbers: Mapping[str, int], rng: np.random.Generator) -> None:
    taken = [
        _account(model, number, rng.integers(1, 200, len(STOCKS)).tolist())
        for model in map(_model, numbers)
        for number in range(numbers[model.name])
    ]
    rows = {one: one.frames() for one in taken}
    seen = Inputs((), {"pricing_pack": made.pack.content_hash}, {})
    with made.warehouse.write(STAMP) as tx:
        record_each(tx, "portfolio_snapshots", made.pack, rows, seen)


def _model(name: str) -> PortfolioFile:
    return parse_yaml(
        f"id: 00000000-0000-0000-0000-000000000000\nname: {name}\nmode: live\nuniverse: [{', '.join(STOCKS)}]\n"
        f"{(MODELS | FACTORS)[name]}\n"
        "holdings: [{as_of: 2022-06-01, cash: 5000}]\n",
        PortfolioFile,
        name,
    )


def _account(model: PortfolioFile, number: int, shares: Sequence[int]) -> Snapshot:
    """An account as a snapshot of its model finds it."""
    unpriced = model.name == "unpriced"
    held = {s: Decimal(q) for s, q in zip(STOCKS, shares, strict=True) if q % 3}
    return Snapshot(
        portfolio_id=f"{model.name}-{number:04d}",
        name=f"{model.name}{number:04d}",
        mode="live",
        base_currency="EUR" if model.name == "tails" else "USD",
        holdings=Holdings(DAYS[0], Decimal(5000), {"GONE": Decimal(5)} if unpriced else held),
        symbols=STOCKS,
        investable=STOCKS,
        excluded={},
        benchmark=dict.fromkeys(STOCKS, 1 / len(STOCKS)),
        prior="benchmark",
        policy=model.policy,
        views=tuple(model.views),
        problem="GONE has no price" if unpriced else None,
        measure="equal_weight",
    )


def _fit(made: FleetDesk) -> None:
    with made.warehouse.live() as con:
        fits, refused = fitted_models(con, made.pack, wanted_recipes(con, made.pack, every=True))
    assert fits and not refused
    with made.warehouse.write(STAMP) as tx:
        tx.record("factor_model", factor_frames(fits), pack_id=made.pack.id)


def _estimate(made: FleetDesk) -> None:
    with made.warehouse.live() as con:
        recipes = {one.recipe() for one in read_snapshots(con, made.pack) if not one.problem}
        found = {recipe.name: (recipe, estimate_evidence(con, made.pack, recipe)) for recipe in recipes}
    returns, matrices = estimate_frames(found, frozenset())
    with made.warehouse.write(STAMP) as tx:
        tx.record("return_estimates", {"return_estimates": returns}, pack_id=made.pack.id)
        tx.record("covariances", {"covariances": matrices}, pack_id=made.pack.id)


def all_stages(made: FleetDesk) -> dict[str, Answers]:
    """Every stage after the other, each recorded before the next."""
    found = {}
    for stage in STAGES:
        found[stage] = made.answers(stage)
        made.record(stage, found[stage])
    return found
