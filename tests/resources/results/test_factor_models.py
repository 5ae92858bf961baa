"""The factor model of a pack: made of its own logs as known on the day, recorded and read back, and traced."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bench import PRICE_TYPES, STAMP, ingest, new_warehouse, staying_open

from optimizer import DataError, FactorModel, Recipe
from resources.lineage.tracing import trace_row
from resources.packs.packs import Pack, cut_pack
from resources.results.estimates.pack_estimates import estimate_evidence
from resources.results.factor_models.fitting import factor_history, fitted_model, out_of_bounds
from resources.results.factor_models.model_rows import factor_frames
from resources.results.factor_models.recorded import (
    models_of,
    recorded_factor_returns,
    recorded_model,
    with_others,
)
from resources.screening.pack_checks import CheckLimits
from resources.store.warehouse import Warehouse

DAYS = tuple(day.date() for day in pd.bdate_range("2022-01-03", periods=380))
AS_OF, LATER = DAYS[359], DAYS[360:]
SYMBOLS = tuple(f"N{i:02d}" for i in range(20))  # as many as bear all factors
RECIPE = Recipe(covariance_method="factor_model", lookback_days=90, symbols=SYMBOLS[:4])


def prices(days: tuple[date, ...], seed: int, size: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.008, (len(days), 1)) + rng.normal(0, 0.01 * size, (len(days), len(SYMBOLS)))
    closes = 50 * np.exp(moves.cumsum(axis=0))
    rows = [
        {
            "symbol": symbol, "date": day, "close": float(f"{closes[t, i]:.4f}"), "volume": 1000 * (i + 1) + t % 7,
            "dividend": 0.0, "split": 1.0, "currency": "USD", "basis": "as_traded", "source": "feed",
            "simulated": False,
        }
        for t, day in enumerate(days)
        for i, symbol in enumerate(SYMBOLS)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PRICE_TYPES)


def facts(day: date, known_at: date, scale: float = 1.0) -> dict[str, pa.Table]:
    """Sectors, capitalisations and a value score of all names on a day."""
    stated = {
        "securities": [
            {"sector": f"S{i % 2}", "currency": "USD", "simulated": False} for i in range(len(SYMBOLS))
        ],
        "market_caps": [
            {"market_cap": 1e9 * scale * (i + 1), "currency": "USD"} for i in range(len(SYMBOLS))
        ],
        "characteristics": [
            {"name": "value", "value": scale * (i * i % 5 + 0.5), "known_at": known_at}
            for i in range(len(SYMBOLS))
        ],
    }
    return {
        log: pa.Table.from_pylist(
            [{"symbol": SYMBOLS[i], "date": day, "source": "reference", **row} for i, row in enumerate(rows)],
            schema=None if log != "characteristics" else pa.schema([
                ("symbol", pa.string()), ("date", pa.date32()), ("source", pa.string()), ("name", pa.string()),
                ("value", pa.float64()), ("known_at", pa.date32())]),
        )
        for log, rows in stated.items()
    }  # fmt: skip


def desk(home: Path, *, garbage: bool) -> tuple[Warehouse, Pack]:
    """A pack cut when the days after it, and what was published after it, were on record already, or not."""
    warehouse = Warehouse(home)
    brought = [{"prices": prices(DAYS[:360], 1)}, facts(DAYS[0], DAYS[0])]
    if garbage:
        brought += [{"prices": prices(LATER, 2, 9.0)}, facts(LATER[0], LATER[0], 1e3)]
        brought += [{"characteristics": facts(DAYS[300], LATER[0], -50.0)["characteristics"]}]
    for tables in brought:
        for log, rows in tables.items():
            with warehouse.write(STAMP) as tx:
                ingest(tx, log, rows)
    with warehouse.write(STAMP) as tx:
        return warehouse, cut_pack(tx, AS_OF, ["feed"], DAYS, CheckLimits()).pack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Pack]:
    return desk(tmp_path_factory.mktemp("factors"), garbage=False)


def test_what_is_recorded_is_read_back_bit_for_bit_and_makes_the_covariance(
    made: tuple[Warehouse, Pack],
) -> None:
    warehouse, pack = made
    with warehouse.live() as con:
        fit = fitted_model(con, pack, RECIPE)
        before = estimate_evidence(con, pack, RECIPE)
    assert fit.model.factors == (
        "market", "sector:S0", "sector:S1", "size", "nonlinear_size", "momentum", "short_term_reversal", "beta",
        "residual_volatility", "liquidity", "value",
    )  # fmt: skip
    assert fit.symbols == SYMBOLS  # the names with a sector and a cap carry the estimation, held or not
    assert len(fit.sessions) == RECIPE.lookback_days
    with warehouse.write(STAMP) as tx:
        tx.record("factor_model", factor_frames({RECIPE.name: fit}), pack_id=pack.id)
    with warehouse.live() as con:
        again = recorded_model(con, pack, RECIPE)
        after = estimate_evidence(con, pack, RECIPE)
        missing = con.execute(
            "select count(*) from latest_factor_model_quality where measure = 'missing'"
        ).fetchall()
        tree = trace_row(con, "factor_exposures", [pack.id, "N02", "value"])
        price = trace_row(con, "factor_exposures", [pack.id, "N02", "momentum"])
    assert again is not None and missing == [(0,)]
    for name in ("exposures", "factor_covariance", "specific"):
        assert (getattr(again, name) == getattr(fit.model, name)).all()
    assert (before.covariance == after.covariance).all()
    assert after.covariance == pytest.approx(fit.model.of(RECIPE.symbols).covariance.dense)
    assert tree["label"] == "factor_exposures N02 value"
    assert tree["facts"]["exposure"] == fit.model.exposures[2, -1]
    (score,) = [node for node in tree["from"] if node["label"] == "characteristics N02"]
    assert score["facts"]["value"] == 4.5 and score["from"][0]["label"].startswith("ingest")
    assert "360 price rows of N02" in str(price["from"])
    with warehouse.live() as con:
        [(name, own)] = models_of(con, pack, [RECIPE, Recipe(symbols=SYMBOLS[:4])]).items()
        returns = recorded_factor_returns(con, pack, RECIPE)
    assert name == RECIPE.name and own.symbols == RECIPE.symbols
    assert (own.exposures == fit.model.exposures[:4]).all()
    assert (returns[list(own.factors)].to_numpy() == fit.factor_returns).all()
    fund = 100 * (1 + returns[list(own.factors)].to_numpy() @ np.linspace(-0.5, 1.0, 11)).cumprod()
    prices_of = pd.DataFrame({"N00": 1.0, "FUND": fund, "NEW": np.nan}, returns.index)
    wider = with_others(own, returns, prices_of, 252.0)
    assert wider.symbols == (*own.symbols, "FUND") and wider.specific[-1] == pytest.approx(0.0, abs=1e-12)
    moved = fund[1:] / fund[:-1] - 1
    np.testing.assert_allclose(fit.factor_returns[1:] @ wider.exposures[-1], moved, atol=1e-10)


def test_nothing_of_a_later_day_or_known_later_reaches_a_model(
    made: tuple[Warehouse, Pack], tmp_path: Path
) -> None:
    warehouse, pack = made
    other, later_pack = desk(tmp_path, garbage=True)
    with warehouse.live() as con, other.live() as later:
        one = factor_frames({"r": fitted_model(con, pack, RECIPE)})
        two = factor_frames({"r": fitted_model(later, later_pack, RECIPE)})
    for table, rows in one.items():
        pd.testing.assert_frame_equal(rows, two[table], check_exact=True, obj=table)


@pytest.mark.parametrize(("step", "periods"), [(7, 0), (1, 365)])
def test_prices_of_another_frequency_are_refused_or_counted_by_their_own_year(
    tmp_path: Path, step: int, periods: int
) -> None:
    days = tuple(day.date() for day in pd.date_range("2022-01-03", periods=360, freq=f"{step}D"))
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", prices(days, 1))
        pack = cut_pack(tx, days[-1], ["feed"], days, CheckLimits()).pack
    with warehouse.live() as con:
        if periods:
            assert fitted_model(con, pack, RECIPE).settings.periods_per_year == periods
        else:
            with pytest.raises(DataError, match="these have 52 a year: deliver daily prices"):
                fitted_model(con, pack, RECIPE)


def test_a_fund_is_seen_between_the_sessions_of_the_factors_and_a_factor_that_others_make_up_is_left_to_them() -> (
    None
):
    rng = np.random.default_rng(3)
    sessions = pd.bdate_range("2024-01-02", periods=120)
    x, y = rng.normal(0, 0.01, (2, 120))
    returns = pd.DataFrame({"x": x, "y": y, "still": 0.0, "both": x - y}, sessions)
    fund = pd.Series(100 * (1 + 0.8 * x + 0.3 * y).cumprod(), sessions)
    every_day = fund.reindex(pd.date_range("2024-01-01", sessions[-1])).interpolate().bfill()
    model = FactorModel(
        ("A",), ("x", "y", "still", "both"), ("series",) * 4, np.ones((1, 4)), np.eye(4), np.ones(1)
    )  # fmt: skip
    wider = with_others(
        model, returns, pd.DataFrame({"FUND": every_day, "YOUNG": every_day.iloc[-10:]}), 252.0
    )
    assert wider.symbols == ("A", "FUND")
    assert wider.exposures[1] == pytest.approx([0.8, 0.3, 0.0, 0.0], abs=0.02)


def test_a_desk_with_prices_only_is_told_which_logs_would_give_more(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path, staying_open)
    with warehouse.write(STAMP) as tx:
        ingest(tx, "prices", prices(DAYS[:360], 1))
        pack = cut_pack(tx, AS_OF, ["feed"], DAYS, CheckLimits()).pack
    with warehouse.live() as con:
        fit = fitted_model(con, pack, RECIPE)
        then = factor_history(con, pack, RECIPE, DAYS[300]).at(AS_OF, RECIPE.lookback_days)
    np.testing.assert_allclose(
        then.of(RECIPE.symbols).exposures, fit.model.of(RECIPE.symbols).exposures, atol=1e-9
    )
    np.testing.assert_allclose(then.covariance.dense, fit.model.covariance.dense, rtol=1e-9)
    rows = factor_frames({"r": fit})["factor_model_quality"]
    told = dict(rows[rows["measure"] == "missing"][["factor", "note"]].to_numpy().tolist())
    assert "market_caps" in told["size"] and "securities" in told["sectors"]
    assert told["liquidity"] == "4 names are too few for 5 factors; 10 are needed" and "beta" not in told
    assert "names carry" in out_of_bounds(fit)["names"]
    doubts = rows[rows["measure"] == "doubt"]
    assert dict(zip(doubts["factor"], doubts["note"], strict=True)) == out_of_bounds(fit)


def test_models_of_earlier_days_know_nothing_of_what_comes_later_by_not_one_bit(tmp_path: Path) -> None:
    """Prices, volumes, caps, sectors and values are garbage then; a name is classified, and a crowd appears."""
    found = []
    for spoilt in (False, True):
        warehouse = new_warehouse(tmp_path / str(spoilt), staying_open)
        told = {"prices": prices(DAYS[:360], 1), **facts(DAYS[0], DAYS[0])}
        stranger = [row | {"symbol": "LATE"} for row in told["prices"].to_pylist() if row["symbol"] == "N01"]
        brought = [told, {"prices": pa.Table.from_pylist(stranger, schema=PRICE_TYPES)}]
        if spoilt:
            later, known = prices(LATER, 2, 9.0).to_pylist(), facts(LATER[0], LATER[0], 1e3)
            crowd = [row | {"symbol": f"Q{row['symbol']}{i}"} for row in later for i in range(3)]
            brought += [{"prices": pa.Table.from_pylist([*later, *crowd], schema=PRICE_TYPES)}, known]
            for log in ("securities", "market_caps"):
                rows = known[log].to_pylist()
                more = [row | {"symbol": name} for row in rows[:1] for name in ("LATE", "QN00", "QN11")]
                brought.append(
                    {
                        log: pa.Table.from_pylist(
                            [row | {"sector": "A"} if "sector" in row else row for row in more]
                        )
                    }
                )
        for tables in brought:
            for log, table in tables.items():
                with warehouse.write(STAMP) as tx:
                    ingest(tx, log, table)
        with warehouse.write(STAMP) as tx:
            pack = cut_pack(tx, DAYS[-1] if spoilt else AS_OF, ["feed"], DAYS, CheckLimits(coverage=0)).pack
        with warehouse.live() as con:
            model = factor_history(con, pack, RECIPE, DAYS[300]).at(DAYS[357], RECIPE.lookback_days)
        found.append(model.of(RECIPE.symbols).covariance.dense.tobytes())
    assert found[0] == found[1]


def test_a_revision_is_seen_from_the_day_it_was_published(tmp_path: Path) -> None:
    from resources.packs.dated_facts import known_characteristics

    warehouse, pack = desk(tmp_path, garbage=False)
    revised = facts(DAYS[0], DAYS[0] + timedelta(days=40), 10.0)["characteristics"]
    with warehouse.write(STAMP) as tx:
        ingest(tx, "characteristics", revised)
        pack = cut_pack(tx, AS_OF, ["feed"], DAYS, CheckLimits(), revise="revised").pack
    with warehouse.live() as con:
        known = known_characteristics(con, pack, SYMBOLS, DAYS[:60])["value"][:, 0]
    since = [day >= DAYS[0] + timedelta(days=40) for day in DAYS[:60]].index(True)
    assert (known[:since] == 0.5).all() and (known[since:] == 5.0).all()
