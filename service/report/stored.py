"""What a report reads of the warehouse: rows as their tables have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer import DataError, PolicyError
from optimizer.errors import how_many
from resources.packs.packs import Pack
from resources.packs.rates import risk_free_rates
from resources.results.book_values import PACK_DAYS, book_values
from resources.results.queries import backtest_of, pack_of_backtest
from resources.settings.policies.policy_grid import is_variant
from resources.store.query_rows import rows
from service.desk import Reading
from service.report.track import OWN, Row, Track, track

KEPT = "the weights of what is held are kept with trades"
NO_WEIGHTS = "the backtest was made before they were kept: `packfolio backtest` makes a new one"


@dataclass(frozen=True)
class Stored:
    """One portfolio: its weights, its exposures by type, what its backtest and its own packs tell.

    tested    the pack of the backtest;  measures: strategy -> metric -> value;  attribution: rows of the policy
    backtest, book  None where `left_out` says why;  variants: names of the sweep
    """

    weights: Sequence[Row]
    exposures: Mapping[str, float]
    tested: str | None
    measures: Mapping[str, Mapping[str, float]]
    attribution: Sequence[Row]
    backtest: Track | None
    book: Track | None
    left_out: Mapping[str, str]

    @property
    def variants(self) -> list[str]:
        """Of the sweep."""
        return [name for name in self.measures if is_variant(name)]


def stored(reading: Reading, pack: Pack, row: Row) -> Stored:
    """What only the warehouse knows of one portfolio."""
    con, key = reading.con, [pack.id, row["portfolio_id"]]
    weights = rows(
        con,
        "select symbol, weight, current_weight, lower, upper, risk_contribution, binding, simulated "
        "from latest_optimal_weights where pack_id = ? and portfolio_id = ? order by symbol",
        key,
    )
    amounts = rows(
        con,
        "select exposure_type, amount from latest_portfolio_exposures where pack_id = ? and portfolio_id = ? "
        "order by exposure_type",
        key,
    )
    left_out: dict[str, str] = {}
    tested = pack_of_backtest(reading.con, pack, row["portfolio_id"])
    told = backtest_of(con, tested, row["portfolio_id"]) if tested else {"portfolios": {}, "attribution": {}}
    measures = told["portfolios"].get(row["name"], {})
    return Stored(
        weights=weights,
        exposures={found["exposure_type"]: found["amount"] for found in amounts},
        tested=tested,
        measures=measures,
        attribution=told["attribution"].get(row["name"], []),
        backtest=_backtest(reading, pack, tested, row, measures, left_out),
        book=_book(reading, pack, row, left_out),
        left_out=left_out,
    )


def _backtest(
    reading: Reading,
    pack: Pack,
    tested: str | None,
    row: Row,
    measures: Mapping[str, Mapping[str, float]],
    left_out: dict[str, str],
) -> Track | None:
    """The backtest as a track; of the strategies of a sweep only their measures are told."""
    if tested is None:
        left_out["backtest"] = f"none was made up to this pack: `packfolio backtest --as-of {pack.as_of}`"
        return None
    key = [tested, row["portfolio_id"]]
    days = reading.con.execute(
        'select strategy, date, "return" from latest_backtest_results where pack_id = ? and portfolio_id = ? '
        "order by strategy, date",
        key,
    ).df()
    told = {
        str(name): pd.Series(days["return"].to_numpy(), pd.DatetimeIndex(days["date"]))
        for name, days in days.groupby("strategy")
        if not is_variant(str(name))
    }
    start = told[OWN].index[0]
    # What began on another day is measured again on the policy's days.
    same = {name: found for name, found in measures.items() if name in told and told[name].index[0] == start}
    try:
        return track(
            {name: returns.iloc[1:] for name, returns in told.items()},
            _rate(reading, tested, row),
            start,
            stored=same,
            weights=_weights(reading, key),
        )
    except DataError as error:
        left_out["backtest"] = str(error)
        return None


def _weights(reading: Reading, key: Sequence[Any]) -> pd.DataFrame | str:
    """Closes with trades x symbols of the policy's backtest, or why there are none."""
    found = reading.con.execute(
        "select date, symbol, weight from latest_backtest_weights where pack_id = ? and portfolio_id = ? "
        "and strategy = ? order by date, symbol",
        [*key, OWN],
    ).df()
    if found.empty:
        return NO_WEIGHTS
    return found.pivot(index="date", columns="symbol", values="weight").fillna(0.0)


def _rate(reading: Reading, pack_id: str, row: Row) -> float | pd.Series | str:
    """The risk-free rate that a policy states, else those on record for its currency; else why there is none."""
    [(text,)] = reading.con.execute(
        "select policy from latest_portfolio_snapshots where pack_id = ? and portfolio_id = ?",
        [pack_id, row["portfolio_id"]],
    ).fetchall()
    own = json.loads(text).get("risk_free_rate")
    if own is not None:
        return float(own)
    try:
        return risk_free_rates(reading.con, reading.pack(pack_id), row["base_currency"])
    except DataError as error:
        return str(error)


def _book(reading: Reading, pack: Pack, row: Row, left_out: dict[str, str]) -> Track | None:
    """What the book itself was worth, pack by pack, up to this one."""
    told = book_values(reading.con, pack, row["portfolio_id"], row["base_currency"])
    days = pd.DatetimeIndex([one["as_of"] for one in told.packs])
    moves = pd.Series(told.growth - 1, days[1:])
    returns = moves.dropna()
    if len(returns) < 2:
        left_out["book"] = (
            f"its NAV is on record at {how_many(len(days), 'pack')} up to this one, which tells "
            f"{how_many(len(returns), 'return')}; two are needed"
        )
        return None
    weights, without = _packs_weights(reading, pack, row)
    book = track({OWN: returns}, _rate(reading, pack.id, row), days[0], weights=weights)
    if skipped := int(moves.isna().sum()):
        book.left_out["some days"] = f"{how_many(skipped, 'return')}: {told.unknown}"  # type: ignore[index]
    if without and book.weights is not None:
        book.left_out["some weights"] = f"{how_many(without, 'pack')} without trades: {KEPT}"  # type: ignore[index]
    return book


def _packs_weights(reading: Reading, pack: Pack, row: Row) -> tuple[pd.DataFrame | str, int]:
    """What was held at each pack with trades, as fractions of the NAV, or why nothing is told; packs without trades."""
    key = [pack.as_of, pack.id, row["portfolio_id"]]
    found = reading.con.execute(
        f"with {PACK_DAYS} select as_of, symbol, current_weight from days join latest_trades using (pack_id) "
        "where portfolio_id = $3 order by all",
        key,
    ).df()
    [(packs,)] = reading.con.execute(
        f"with {PACK_DAYS} select count(*) from days join latest_trade_lists using (pack_id) "
        "where portfolio_id = $3 and nav_before > 0",
        key,
    ).fetchall()
    if found.empty:
        return f"none of its packs has trades: {KEPT}", packs
    held = found.pivot(index="as_of", columns="symbol", values="current_weight").fillna(0.0)
    held = held.loc[:, (held != 0).any()]
    return held if len(held.columns) else "nothing was held", packs - len(held)


def findings(reading: Reading, pack: Pack) -> list[Row]:
    """Of each code how often it was found up to the pack, and the newest cases."""
    return rows(
        reading.con,
        "select code, severity, count(*) as cases, count(distinct symbol) as symbols, max(date) as newest, "
        "coalesce(max_by(message, date), max(message)) as message from check_findings where pack_id = $1 or "
        "(pack_id is null and materialization <= $2) group by code, severity order by severity, code",
        [pack.id, pack.watermark],
    )


def written(reading: Reading, pack: Pack) -> list[Row]:
    """Every ledger row of a pack."""
    return rows(
        reading.con,
        "with named as (select v.materialization, case count(*) when 1 then any_value(s.name) "
        "else count(*) || ' portfolios' end as portfolio from versions v join latest_portfolio_snapshots s "
        "using (pack_id, portfolio_id) where v.pack_id = $1 group by v.materialization) "
        "select m.id, m.asset, n.portfolio, m.rows, m.content_hash, m.config_hash, m.code_version, "
        'm."at", m.run_id, m.this_hash from materializations m left join named n on n.materialization = m.id '
        "where m.pack_id = $1 order by m.id",
        [pack.id],
    )


def environment(reading: Reading, found: Sequence[Row]) -> Row:
    """Libraries, machine and commit of the last write of the pack."""
    if not found:
        raise PolicyError("the pack has no ledger rows; run `packfolio packs verify`")
    told = reading.con.execute(
        "select c.text from materializations m join configs c on c.config_hash = m.code_version where m.id = ?",
        [found[-1]["id"]],
    ).fetchall()
    return dict(json.loads(told[0][0])) if told else {}
