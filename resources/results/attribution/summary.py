"""What a desk reads of attribution: predicted risk of today, what each trade did to it, realised return of a window."""

from datetime import date

import numpy as np
import pandas as pd

from optimizer import PolicyError
from optimizer.factors.attribution import Linked, linked
from resources.ledger.ledger import Connection
from resources.packs.packs import Pack
from resources.results.pack_notes import missing_factors
from resources.results.queries import pack_of_backtest
from resources.results.risk_outputs import NO_MODEL
from resources.results.tails.summary import live_of, tail_of
from resources.store.query_rows import Row, rows

ASK = "covariance_method: factor_model in its policy, or factor_model: on in pipeline.yaml"
NO_TRADES = "the daily run told no impact of trades of it"
NO_DAYS = f"no backtest with a factor model is on record: {ASK}, then `packfolio backtest`"
BASES = ("total", "active")
GROUPS = ("market", "sector", "style", "specific", "cash", "trading", "costs")
MOST_POINTS = 600  # of a picture


def attribution_of(
    con: Connection, pack: Pack, portfolio: Row, start: date | None = None, end: date | None = None
) -> Row:
    """Predicted risk, trades, tail and realised return of one portfolio, in its backtest and from pack to pack.

    portfolio    a row of `portfolios_of`;  start, end  of the days of the newest backtest, and of the packs, up to this
    What is not there is None, with the reason under `left_out`. Raises PolicyError for a window without a day.
    """
    key = [pack.id, portfolio["portfolio_id"]]
    recipe = _recipe(con, pack, portfolio["portfolio_id"])
    risks = rows(
        con,
        "select side, basis, kind, part, factor_group, exposure, contribution from latest_factor_risks "
        "where pack_id = ? and portfolio_id = ?",
        key,
    )
    realised = realised_of(con, pack, portfolio["portfolio_id"], start, end)
    left_out = {} if risks else {"predicted": NO_TRADES if _has_model(con, pack) else NO_MODEL}
    left_out |= {} if realised else {"realised": NO_DAYS}
    return {
        "pack_id": pack.id,
        "as_of": pack.as_of,
        **{name: portfolio[name] for name in ("portfolio_id", "name", "base_currency")},
        "predicted": predicted(risks) if risks else None,
        "trades": traded(con, pack, portfolio["portfolio_id"], recipe, risks),
        "realised": realised,
        "tail": tail_of(con, pack, portfolio["portfolio_id"]),
        "live": live_of(con, pack, portfolio["portfolio_id"], start, end),
        "missing": [
            {"factors": row["factors"], "note": row["note"]} for row in missing_factors(con, pack, recipe)
        ],
        "left_out": left_out,
    }


def _has_model(con: Connection, pack: Pack) -> bool:
    found = con.execute("select 1 from latest_factor_covariances where pack_id = ? limit 1", [pack.id])
    return bool(found.fetchall())


def predicted(risks: list[Row]) -> Row:
    """Basis -> {"factors", "symbols": rows with both sides, the largest first; "volatility": (before, after)}."""
    found: Row = {}
    for basis in BASES:
        told = [row for row in risks if row["basis"] == basis]
        if told:
            found[basis] = {
                "factors": _sides(told, ("factor", "specific")),
                "symbols": _sides(told, ("symbol",)),
                "volatility": _sides(told, ("volatility",))[0]["risk"],
            }
    return found


def _sides(told: list[Row], kinds: tuple[str, ...]) -> list[Row]:
    """A row a part: exposure and risk before and after the trades."""
    found: dict[str, Row] = {}
    for row in told:
        if row["kind"] in kinds:
            known = row["exposure"] is not None
            empty: Row = {
                "part": row["part"], "group": row["factor_group"] or row["kind"],
                "exposure": [0.0, 0.0] if known else [None, None], "risk": [0.0, 0.0],
            }  # fmt: skip
            part, at = found.setdefault(row["part"], empty), ("before", "after").index(row["side"])
            part["exposure"][at], part["risk"][at] = row["exposure"], row["contribution"]
    return sorted(found.values(), key=lambda part: (-max(map(abs, part["risk"])), part["part"]))


def traded(con: Connection, pack: Pack, portfolio_id: str, recipe: str | None, risks: list[Row]) -> list[Row]:
    """What each name's change of weight did to the exposures, which change by the sums; the largest trades first."""
    weights = _sides([row for row in risks if row["basis"] == "total"], ("symbol",))
    if not weights:
        return []
    loadings: dict[str, dict[str, float]] = {}
    for symbol, factor, exposure in con.execute(
        "select symbol, factor, exposure from latest_factor_exposures where pack_id = ? and recipe = ? "
        "and symbol in (select unnest(?)) order by all",
        [pack.id, recipe, [row["part"] for row in weights]],
    ).fetchall():
        loadings.setdefault(symbol, {})[factor] = exposure
    actions = dict(
        con.execute(
            "select symbol, action from latest_trades where pack_id = ? and portfolio_id = ?",
            [pack.id, portfolio_id],
        ).fetchall()
    )
    found = []
    for row in weights:
        before, after = row["exposure"]
        change = {name: x * (after - before) for name, x in loadings.get(row["part"], {}).items()}
        found.append({
            "symbol": row["part"], "action": actions.get(row["part"], "HOLD"), "weight": [before, after],
            "exposures": change,
        })  # fmt: skip
    return sorted(found, key=lambda row: (-abs(row["weight"][1] - row["weight"][0]), row["symbol"]))


def _recipe(con: Connection, pack: Pack, portfolio_id: str) -> str | None:
    from resources.books.snapshots import read_snapshots

    found = read_snapshots(con, pack, portfolio_id=portfolio_id)
    return next((snapshot.recipe().name for snapshot in found), None)


def realised_of(
    con: Connection, pack: Pack, portfolio_id: str, start: date | None = None, end: date | None = None
) -> Row | None:
    """What the newest backtest's return came from between two days, both included; None where none tells it."""
    tested = pack_of_backtest(con, pack, portfolio_id)
    days = _days(con, tested, portfolio_id) if tested else pd.DataFrame()
    if tested is None or days.empty:
        return None
    every = days["date"].unique()
    chosen = days[(days["date"] >= (start or every[0])) & (days["date"] <= (end or every[-1]))]
    if chosen.empty:
        raise PolicyError(
            f"the backtest of {tested} has no day from {start} to {end}; its days are {every[0]} to {every[-1]}"
        )
    first, last = chosen["date"].iloc[0], chosen["date"].iloc[-1]
    value = con.execute(
        "select arg_max(nav, date) from latest_backtest_results where pack_id = ? and portfolio_id = ? "
        "and strategy = 'policy' and date < ?",
        [tested, portfolio_id, first],
    ).fetchall()[0][0]
    names, groups, found = link_days(chosen)
    return {
        "pack_id": tested, "from": first, "to": last, "days": len(chosen["date"].unique()), "value": value,
        "simulated": bool(chosen["simulated"].any()),
        "total": found.total, "benchmark": found.benchmark, "active": found.total - found.benchmark,
        "parts": _part_rows(names, groups, found, float(value)),
        "groups": _group_rows(groups, found, float(value)),
        "path": path_of(chosen),
    }  # fmt: skip


def _days(con: Connection, tested: str, portfolio_id: str) -> pd.DataFrame:
    found = con.execute(
        "select date, part, factor_group, contribution, benchmark, standard_error, active_error, simulated "
        "from latest_backtest_factors where pack_id = ? and portfolio_id = ? and strategy = 'policy' "
        "order by date, part",
        [tested, portfolio_id],
    ).df()
    return found.assign(date=found["date"].dt.date) if len(found) else found


def link_days(days: pd.DataFrame) -> tuple[list[str], list[str], Linked]:
    """Parts, their groups, and what they added over rows of `backtest_factors`; raises DataError for a total loss."""
    tables = {
        name: days.pivot(index="date", columns="part", values=name)
        for name in ("contribution", "benchmark", "standard_error", "active_error")
    }
    names = [str(name) for name in tables["contribution"].columns]
    group_of = dict(zip(days["part"], days["factor_group"], strict=True))
    return (
        names,
        [str(group_of[name]) for name in names],
        linked(*(t.to_numpy(float) for t in tables.values())),
    )


def _part_rows(names: list[str], groups: list[str], found: Linked, value: float) -> list[Row]:
    told = [
        {
            "part": name, "group": groups[at], "money": value * float(found.money[at]),
            "contribution": float(found.parts[at]), "standard_error": float(found.errors[at]) or None,
            "active": float(found.active[at]), "active_error": float(found.active_errors[at]) or None,
        }
        for at, name in enumerate(names)
    ]  # fmt: skip
    return sorted(told, key=lambda row: (-abs(row["contribution"]), row["part"]))


def _group_rows(groups: list[str], found: Linked, value: float) -> list[Row]:
    order, of = list(dict.fromkeys(sorted(groups, key=GROUPS.index))), np.array(groups)
    return [
        {
            "group": name, "money": value * float(found.money[of == name].sum()),
            "contribution": float(found.parts[of == name].sum()), "active": float(found.active[of == name].sum()),
        }
        for name in order
    ]  # fmt: skip


def path_of(days: pd.DataFrame) -> Row:
    """Dates and, by group, what it had earned up to each, per unit of the value at the start: the sums add up."""
    wide = days.pivot_table(index="date", columns="factor_group", values="contribution", aggfunc="sum")
    grown = np.concatenate([[1.0], np.cumprod(1 + wide.to_numpy().sum(axis=1))])[:-1]
    earned = (wide * grown[:, None]).cumsum()
    shown = list(range(len(wide) - 1, -1, -max(1, -(-len(wide) // MOST_POINTS))))[::-1]
    return {
        "dates": [str(wide.index[at]) for at in shown],
        "groups": {name: earned[name].iloc[shown].tolist() for name in GROUPS if name in earned},
    }
