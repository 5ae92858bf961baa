"""The default prices: real ones that an installed package carries, and funds simulated from them.

skfolio's wheel has three files of daily prices: 20 S&P 500 stocks and the index from 1990, and five factor
funds from 2014, all to 2022-12-28. They are read as files; the package is not imported.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from optimizer import DataError, PolicyError
from optimizer.typing import Array
from resources.ledger.ledger import file_sha256
from resources.prices.folder import between
from resources.prices.rounding import significant
from resources.prices.rows import build
from resources.prices.series import Days
from resources.prices.source import (
    Basis,
    Delivery,
    FileRejected,
    Finding,
    Seen,
    delivery_key,
)

PACKAGE = "skfolio"
STOCKS, INDEX, FACTORS = "sp500_dataset.csv.gz", "sp500_index.csv.gz", "factors_dataset.csv.gz"
INDEX_SYMBOL = "SPX"
TOTAL_RETURN_INDEX = "SPX.TR"
DAYS_A_YEAR = 252
FIRST_VALUE = 100.0
FIRST_DAY = date(1990, 1, 2)
SURVIVORS = Finding(
    "SURVIVORSHIP",
    "WARN",
    "20 companies chosen because they lasted: their past returns flatter",
    symbol="AAPL",
)
ADJUSTED = Finding(
    "NOT_TRADABLE", "WARN", "adjusted closes: right total returns, but not the prices of the day"
)
PRICE_INDEX = Finding(
    "NO_DIVIDENDS", "WARN", "SPX is a price index: it leaves dividends out; SPX.TR adds them"
)
SIMULATED = Finding(
    "SIMULATED", "WARN", "computed from other prices under stated assumptions; nobody traded these"
)


@dataclass(frozen=True)
class SimulatedFund:
    """Holdings per unit of value, rebalanced daily, and a fee per year."""

    legs: Mapping[str, float]
    fee: float


@dataclass(frozen=True)
class Panel:
    """Closes of a wide file: dates (t,) days since 1970, close (t, n)."""

    symbols: list[str]
    days: Days
    close: Array


@dataclass(frozen=True)
class EmbeddedSource:
    """Stocks, index, factor funds, and the funds simulated from them.

    dividend_yield  of the index, per year: the total-return index adds a 252nd of it to each day's return
    risk_free_rate  per year, constant: with the spread, what a fund pays on what it holds above its value
    spread          per year
    """

    name: str
    dividend_yield: float
    risk_free_rate: float
    spread: float
    funds: Mapping[str, SimulatedFund]

    def deliveries(
        self, since: date | None, until: date | None, seen: Seen
    ) -> Iterator[Delivery | FileRejected]:
        """The three files as they are, then what is simulated; raises DataError without the package."""
        folder = package_data()
        hashes = {name: file_sha256(folder / name) for name in (STOCKS, INDEX, FACTORS)}
        kinds: tuple[tuple[str, Basis, tuple[Finding, ...]], ...] = (
            (STOCKS, "total_return", (ADJUSTED, SURVIVORS)),
            (INDEX, "as_traded", (PRICE_INDEX,)),
            (FACTORS, "total_return", (ADJUSTED,)),
        )
        panels: dict[str, Panel] = {}
        for name, basis, warnings in kinds:
            key = delivery_key(name, hashes[name], [since, until])
            if not seen(key):
                panels[name] = read_panel(folder / name)
                delivery = self._delivery(
                    name, hashes[name], key, folder / name, panels[name], basis, warnings
                )
                yield between(delivery, since, until)
        recipe = self._recipe(hashes)
        sha = hashlib.sha256(recipe).hexdigest()
        key = delivery_key("simulated.json", sha, [since, until])
        if not seen(key):
            wide = [panels.get(name) or read_panel(folder / name) for name in (INDEX, FACTORS)]
            made = self.simulate(wide)
            delivery = self._delivery("simulated.json", sha, key, recipe, made, "total_return", (SIMULATED,))
            yield between(delivery, since, until)
        for log, rows in (("securities", self.securities()), ("risk_free_rates", self.risk_free_rates())):
            key = delivery_key(log, sha, None)
            if not seen(key):
                yield Delivery(self.name, key, f"{log}.json", sha, recipe, rows, simulated=True, log=log)

    def symbols(self) -> frozenset[str]:
        """Every symbol that it prices."""
        files = (read_panel(package_data() / name).symbols for name in (STOCKS, INDEX, FACTORS))
        return frozenset({TOTAL_RETURN_INDEX, *self.funds}.union(*files))

    def securities(self) -> pa.Table:
        """Rows of `securities` for what is simulated; the note states legs and fee."""
        borrow = f"borrowing at {self.risk_free_rate + self.spread:.2%}"
        notes = {
            TOTAL_RETURN_INDEX: f"{INDEX_SYMBOL} with a dividend yield of {self.dividend_yield:.2%} a year"
        }
        for symbol, fund in self.funds.items():
            legs = " + ".join(f"{weight:g} {leg}" for leg, weight in fund.legs.items())
            notes[symbol] = f"{legs}, rebalanced daily, {borrow}, fee {fund.fee:.2%} a year"
        count = len(notes)
        return pa.table(
            {
                "symbol": list(notes),
                "date": pa.array([FIRST_DAY] * count, pa.date32()),
                "name": [f"Simulated: {symbol}" for symbol in notes],
                "sector": pa.nulls(count, pa.string()),
                "currency": ["USD"] * count,
                "exchange": ["XNYS"] * count,
                "kind": ["index", *["fund"] * (count - 1)],
                "simulated": [True] * count,
                "note": list(notes.values()),
            }
        )

    def risk_free_rates(self) -> pa.Table:
        """The one row of `risk_free_rates`: the constant that the simulation assumes, per year."""
        return pa.table(
            {
                "currency": ["USD"],
                "date": pa.array([FIRST_DAY], pa.date32()),
                "rate": [self.risk_free_rate],
                "note": ["assumption of the embedded source: constant; not observed"],
            }
        )

    def _recipe(self, hashes: Mapping[str, str]) -> bytes:
        """Everything the simulated prices follow from, as JSON: their payload."""
        return json.dumps(asdict(self) | {"inputs": dict(hashes)}, sort_keys=True, indent=1).encode()

    def _delivery(
        self,
        name: str,
        sha: str,
        key: str,
        payload: Path | bytes,
        panel: Panel,
        basis: Basis,
        warnings: tuple[Finding, ...],
    ) -> Delivery:
        return Delivery(
            source=self.name,
            key=key,
            payload_name=name,
            payload_sha256=sha,
            payload=payload,
            rows=long_rows(panel, total_return=basis == "total_return"),
            basis=basis,
            simulated=isinstance(payload, bytes),
            warnings=warnings,
        )

    def simulate(self, panels: list[Panel]) -> Panel:
        """The total-return index, then each fund, from 100 on the first common day of its legs.

        A fund's return is sum of leg x return - (F - 1) rf - max(F - 1, 0) spread - fee, a 252nd of the
        yearly rates each day, F the sum of its legs; NaN where it does not exist yet. Raises PolicyError for
        a leg without prices.
        """
        days = panels[0].days
        returns = {symbol: values for panel in panels for symbol, values in _returns(panel, days).items()}
        returns[TOTAL_RETURN_INDEX] = returns[INDEX_SYMBOL] + self.dividend_yield / DAYS_A_YEAR
        for symbol, fund in self.funds.items():
            if unknown := [leg for leg in fund.legs if leg not in returns]:
                valid = ", ".join(sorted(returns))
                raise PolicyError(f"fund {symbol}: no prices for {', '.join(unknown)}; legs may be {valid}")
            borrowed = sum(fund.legs.values()) - 1
            yearly = borrowed * self.risk_free_rate + max(borrowed, 0.0) * self.spread + fund.fee
            gross = sum((weight * returns[leg] for leg, weight in fund.legs.items()), np.zeros(len(days)))
            returns[symbol] = gross - yearly / DAYS_A_YEAR
        made = [TOTAL_RETURN_INDEX, *self.funds]
        return Panel(made, days, np.column_stack([_value(returns[symbol]) for symbol in made]))


def package_data() -> Path:
    """The folder of the package's data files, found without importing it."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"the embedded prices come with the package {PACKAGE}, which is not installed; install it"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"


def read_panel(file: Path) -> Panel:
    """A wide file of a date and a close a symbol; raises DataError when the package has changed it."""
    # one thread: a read-ahead thread still running when the process ends aborts it
    table = pc.read_csv(
        BytesIO(gzip.decompress(file.read_bytes())), read_options=pc.ReadOptions(use_threads=False)
    )
    days, *closes = table.columns
    if not pa.types.is_date(days.type) or not all(pa.types.is_floating(column.type) for column in closes):
        raise DataError(f"{file.name} is not a table of dates and closes; install {PACKAGE} 1.12 again")
    symbols = [INDEX_SYMBOL if name == "SP500" else name for name in table.column_names[1:]]
    numbers = np.column_stack([column.to_numpy() for column in closes])
    return Panel(symbols, days.to_numpy().astype("datetime64[D]").astype(np.int32), numbers)


def long_rows(panel: Panel, *, total_return: bool) -> pa.Table:
    """`PRICE_ROWS` of a panel by date and symbol; where a fund does not exist yet there is no row."""
    order = np.argsort(np.array(panel.symbols))
    close = panel.close[:, order].ravel()
    there = ~np.isnan(close)
    codes = np.tile(np.arange(len(order), dtype=np.int32), len(panel.days))[there]
    columns = {"close": close[there]}
    if total_return:
        columns |= {"dividend": np.zeros(len(codes)), "split": np.ones(len(codes))}
    symbols = [panel.symbols[place] for place in order]
    return build(codes, symbols, np.repeat(panel.days, len(order))[there], columns)


def _returns(panel: Panel, days: Days) -> dict[str, Array]:
    """Simple daily returns of each symbol on `days` (t,); NaN before its second close."""
    place = np.searchsorted(days, panel.days)
    if (days[np.minimum(place, len(days) - 1)] != panel.days).any():
        raise DataError("the embedded files disagree on the sessions; install the package again")
    result = {}
    for column, symbol in enumerate(panel.symbols):
        close = np.full(len(days), np.nan)
        close[place] = significant(panel.close[:, column].copy())
        result[symbol] = np.concatenate([[np.nan], close[1:] / close[:-1] - 1])
    return result


def _value(returns: Array) -> Array:
    """The value of 100 invested the day before the first return, (t,)."""
    first = int(np.flatnonzero(~np.isnan(returns))[0])
    value = np.full(len(returns), np.nan)
    value[first - 1] = FIRST_VALUE
    value[first:] = FIRST_VALUE * np.cumprod(1 + returns[first:])
    return value
