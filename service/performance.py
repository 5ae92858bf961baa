"""How a portfolio's policy would have done, and what the book was worth: series for a screen, thinned to be drawn."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from optimizer import performance_metrics
from optimizer.backtests.dated_facts import benchmark_index
from optimizer.errors import how_many
from optimizer.measures.return_series import annual_rates
from optimizer.measures.rolling import rolling_beta, rolling_sharpe, rolling_volatility
from optimizer.model.sessions import periods_per_year
from optimizer.typing import Array
from resources.books.snapshots import Snapshot
from resources.ledger.ledger import Connection
from resources.packs.delistings import present_names
from resources.packs.packs import Pack
from resources.packs.rates import risk_free_rates
from resources.results.book_values import BookValues, book_values
from resources.results.queries import backtest_of, pack_of_backtest
from resources.results.replays.replay_inputs import prices_to_the_end
from resources.settings.policies.policy_grid import is_variant
from resources.store.query_rows import rows
from service.answers.answer import plain
from service.desk import Reading

OWN, BENCHMARK = "policy", "benchmark"
MOST_POINTS = 1200
LEAST = 20  # returns, below which a measure a year says nothing
DIGITS = 6
NO_BACKTEST = "no backtest of this portfolio is on record; run `packfolio backtest`"
NO_VALUES = "no daily run has valued this portfolio yet"
NO_BENCHMARK = (
    "the first daily run of this portfolio had no benchmark, so that its value is compared with none"
)
# Days that a pack's date may be after its newest price: weekends, holidays, the limit of checks.
WITHOUT_PRICES = 10


def performance(reading: Reading, pack: Pack, portfolio: str, window: int) -> dict[str, Any]:
    """The newest backtest up to the pack, with figures over a rolling `window` of sessions, and the book's values.

    What is not there is None, with the reason under `left_out`.
    """
    snapshot = reading.snapshot(pack, portfolio)
    backtest = _backtest(reading.con, pack, snapshot, window)
    live, unknown = _values(reading.con, pack, snapshot)
    left_out = {
        name: reason
        for name, found, reason in (
            ("backtest", backtest, NO_BACKTEST),
            ("live", live, NO_VALUES),
            ("benchmark", not live or live[0]["benchmark"], NO_BENCHMARK),
            ("some days", not unknown, unknown),
        )
        if not found
    }
    found: dict[str, Any] = plain({
        "pack_id": pack.id, "portfolio_id": snapshot.portfolio_id, "name": snapshot.name, "mode": snapshot.mode,
        "base_currency": snapshot.base_currency, "backtest": backtest, "live": live, "left_out": left_out,
    })  # fmt: skip
    return found


def _values(con: Connection, pack: Pack, snapshot: Snapshot) -> tuple[list[dict[str, Any]], str]:
    """What the book was worth before the trades of each fresh pack, how far that is below its peak, and a benchmark.

    The benchmark is the first value as it grew by the benchmark of each pack: nothing is paid in, nor any cost.
    Falls are of what is known of its growth, without what was paid in or out (`paid_in`, of an account, since the pack
    before); what is not known between two packs counts as none, and is told beside the values.
    """
    told = book_values(con, pack, snapshot.portfolio_id, snapshot.base_currency)
    if not told.packs:
        return [], ""
    grown = np.cumprod(np.append(1.0, np.nan_to_num(told.growth, nan=1.0)))
    falls = grown / np.maximum.accumulate(grown) - 1
    values = told.values.tolist()
    flows: Sequence[float | None] = told.paid_in or [None] * len(values)
    days = [
        {
            "as_of": one["as_of"],
            "pack_id": one["pack_id"],
            "value": value,
            "drawdown": round(fall, DIGITS),
            "benchmark": other,
            "paid_in": flow,
        }
        for one, value, fall, other, flow in zip(
            told.packs, values, falls.tolist(), _benchmark(con, pack, snapshot, told), flows, strict=True
        )
    ]
    unknown = int(np.isnan(told.growth).sum())
    return days, f"{how_many(unknown, 'return')} of the book: {told.unknown}" if unknown else ""


def _benchmark(con: Connection, pack: Pack, snapshot: Snapshot, book: BookValues) -> list[float | None]:
    """The first value as the benchmark moved it to each day; none where the first day had no benchmark."""
    told = pd.DataFrame(
        [json.loads(one["benchmark"]) for one in book.packs],
        pd.DatetimeIndex([one["as_of"] for one in book.packs]),
    ).fillna(0.0)
    if not told.iloc[0].any():
        return [None] * len(book.packs)
    told = told.rename(columns=present_names(con, pack, told.columns)).T.groupby(level=0).sum().T
    first = book.packs[0]["as_of"]
    prices = prices_to_the_end(
        con, pack, list(told.columns), snapshot.base_currency, first - timedelta(days=WITHOUT_PRICES)
    )
    # A pack sees the closes up to its date.
    closes = prices.index[prices.index.searchsorted(told.index, side="right") - 1]
    weights = told.set_axis(closes).groupby(level=0).last().reindex(prices.index, method="ffill").bfill()
    at = benchmark_index(prices, weights)[closes].to_numpy()
    grown: list[float | None] = (book.values[0] * at / at[0]).round(2).tolist()
    return grown


def _backtest(con: Connection, pack: Pack, snapshot: Snapshot, window: int) -> dict[str, Any] | None:
    tested = pack_of_backtest(con, pack, snapshot.portfolio_id)
    if tested is None:
        return None
    table = _days_tested(con, tested, snapshot.portfolio_id)
    nav, returns, falls = (
        table.pivot(index="date", columns="strategy", values=column)
        for column in ("nav", "return", "drawdown")
    )
    nav, falls = nav.ffill(), falls.ffill()  # what is lost stays lost
    since = {name: str(nav[name].first_valid_index()) for name in nav}
    nav, returns, falls = (part.loc[nav[OWN].first_valid_index() :] for part in (nav, returns, falls))
    returns = returns.where(nav.shift().notna())  # the first row is the money that a strategy begins with
    names = sorted(nav.columns, key=lambda name: (name != OWN, name == BENCHMARK, name))
    shown = _thinned(len(nav))
    stored: Mapping[str, Mapping[str, float]] = next(
        iter(backtest_of(con, tested, snapshot.portfolio_id)["portfolios"].values()), {}
    )
    rates = _rates(con, pack, snapshot)
    return {
        "pack_id": tested,
        "strategies": names,
        "since": since,
        "simulated": bool(table["simulated"].any()),
        "dates": [nav.index[at] for at in shown],
        "growth": {name: _rounded(nav[name] / nav[name].dropna().iloc[0], shown) for name in names},
        "drawdown": {name: _rounded(falls[name], shown) for name in names},
        "rolling": {"window": window, **_rolling(returns[names], rates, window, shown)},
        "measures": {
            name: told if since[name] == since[OWN] else _measured(returns, name, rates)
            for name, told in stored.items()
            if name in since
        },
    }


def _days_tested(con: Connection, pack_id: str, portfolio_id: str) -> pd.DataFrame:
    """A row a day and strategy of a backtest, less the policies of a sweep."""
    found = rows(
        con,
        'select strategy, date, nav, "return", drawdown, simulated from latest_backtest_results '
        "where pack_id = ? and portfolio_id = ? order by date, strategy",
        [pack_id, portfolio_id],
    )
    table = pd.DataFrame(found)
    return table[~table["strategy"].map(is_variant)]


def _measured(returns: pd.DataFrame, name: str, rates: float | pd.Series) -> Mapping[str, float]:
    """The measures on the policy's days of a strategy that began on another one; none of too short a time."""
    told = returns.iloc[1:]
    if len(told) < LEAST or told[name].isna().any():
        return {}
    beside = BENCHMARK in told and name != BENCHMARK and told[BENCHMARK].notna().all()
    against = told[BENCHMARK] if beside else None
    yearly = annual_rates(pd.DatetimeIndex(returns.index[:-1]), rates)
    periods = periods_per_year(pd.DatetimeIndex(told.index))
    return performance_metrics(told[name], against, risk_free_rate=yearly, periods=periods)


def _rolling(
    returns: pd.DataFrame, rates: float | pd.Series, window: int, shown: Sequence[int]
) -> dict[str, dict[str, list[float]]]:
    """Volatility, Sharpe ratio and beta by strategy, over the returns it has; the benchmark has no beta of its own."""
    days = pd.DatetimeIndex(returns.index)
    told, periods = returns.set_axis(days), periods_per_year(days)
    yearly = pd.Series(annual_rates(days[:-1], rates), days[1:])  # as known at the close before

    def each(measure: Callable[..., Array], *beside: str) -> dict[str, list[float]]:
        found = {}
        for name in told.columns.drop(list(beside)):
            rows = told[[name, *beside]].dropna()
            values = measure(rows.index, *rows.to_numpy().T) if len(rows) else np.zeros(0)
            found[str(name)] = _rounded(pd.Series(values, rows.index).reindex(days), shown)
        return found

    return {
        "volatility": each(lambda _, own: rolling_volatility(own, window, periods)),
        "sharpe": each(
            lambda at, own: rolling_sharpe(
                own, np.asarray(yearly.reindex(at), dtype=np.float64), window, periods
            )
        ),
        "beta": each(lambda _, own, other: rolling_beta(own, other, window), BENCHMARK),
    }


def _rates(con: Connection, pack: Pack, snapshot: Snapshot) -> float | pd.Series:
    """What the replay charged: the policy's rate, else those on record; a single one on record is a constant."""
    stated = snapshot.policy.risk_free_rate
    if stated is not None:
        return stated
    known = risk_free_rates(con, pack, snapshot.base_currency)
    return known if len(known) > 1 else float(known.iloc[-1])


def _thinned(length: int) -> list[int]:
    """Places of at most MOST_POINTS of so many sessions, the last one among them."""
    every = -(-length // MOST_POINTS)
    return list(range(length - 1, -1, -every))[::-1]


def _rounded(values: pd.Series, shown: Sequence[int]) -> list[float]:
    found: list[float] = values.iloc[list(shown)].round(DIGITS).tolist()
    return found
