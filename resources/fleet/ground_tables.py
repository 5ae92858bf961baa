"""What a shard stands on, as Arrow tables and back, bit for bit: the market, estimates, and the desk's settings."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pyarrow as pa

import optimizer
from optimizer import Estimates, FactorModel, FundExposureMap, PackfolioError
from optimizer.model.exchange_rates import ExchangeRates
from optimizer.numerics.matrices import LowRank
from optimizer.typing import Array
from resources.packs.markets import Market
from resources.packs.packs import Pack
from resources.packs.panels import Panel
from resources.settings.funds import load_funds
from resources.settings.playbooks import Playbooks, load_playbooks

DAYS = pa.list_(pa.date32())
NUMBERS = pa.list_(pa.float64())
MODEL = ("exposures", "factor_covariance", "specific")


def market_tables(market: Market) -> dict[str, pa.Table]:
    """A market as tables."""
    pack = asdict(market.pack) | {"as_of": market.pack.as_of.isoformat()}
    text = json.dumps(
        {
            "pack": pack,
            "starts": {str(days): first.isoformat() for days, first in market.starts.items()},
            "facts": {name: dict(found) for name, found in market.facts.items()},
            "risk_free": dict(market.risk_free),
            "caps": {currency: dict(found) for currency, found in market.caps.items()},
            "models": {recipe: _told(model) for recipe, model in market.models.items()},
            "windows": [[day.isoformat() for day in window] for window in market.windows],
        },
        default=str,
    )
    stated = market.rates.stated
    rates = pa.table({
        "base": pa.array([base for base, _ in stated], pa.string()),
        "quote": pa.array([quote for _, quote in stated], pa.string()),
        "days": pa.array([np.array(days, "datetime64[D]").tolist() for days, _ in stated.values()], DAYS),
        "rates": pa.array([list(rates) for _, rates in stated.values()], NUMBERS),
    })  # fmt: skip
    return {
        "text": pa.table({"text": [text]}),
        "panels": _panel_table((market.panel, *market.windows.values())),
        "rates": rates,
    }


def market_from(tables: Mapping[str, pa.Table]) -> Market:
    """What `market_tables` told."""
    told = json.loads(tables["text"]["text"][0].as_py())
    pack = told["pack"] | {
        "as_of": date.fromisoformat(told["pack"]["as_of"]),
        "precedence": tuple(told["pack"]["precedence"]),
    }
    panel, *past = _panels(tables["panels"])
    windows = [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in told["windows"]]
    rates = {(row["base"], row["quote"]): (row["days"], row["rates"]) for row in tables["rates"].to_pylist()}
    return Market(
        Pack(**pack), panel, {int(days): date.fromisoformat(first) for days, first in told["starts"].items()},
        told["facts"], ExchangeRates(rates), told["risk_free"], told["caps"], dict(zip(windows, past, strict=True)),
        {recipe: _model(found) for recipe, found in told["models"].items()},
    )  # fmt: skip


def _told(model: FactorModel) -> dict[str, Any]:
    """A factor model as JSON values, which keep every bit of a number."""
    found = {name: getattr(model, name) for name in ("symbols", "factors", "groups")}
    return found | {name: getattr(model, name).tolist() for name in MODEL}


def _model(told: dict[str, Any]) -> FactorModel:
    symbols, factors, groups = (tuple(told[name]) for name in ("symbols", "factors", "groups"))
    exposures, covariance, specific = (np.array(told[name], dtype=float) for name in MODEL)
    return FactorModel(
        symbols, factors, groups, exposures.reshape(len(symbols), len(factors)), covariance, specific
    )


def _panel_table(panels: Iterable[Panel]) -> pa.Table:
    """One row a panel; its arrays flat, dates first."""
    found = list(panels)
    facts = {
        name: pa.array([getattr(panel, name) for panel in found])
        for name in ("symbols", "currency", "simulated", "basis")
    }
    arrays = {
        name: pa.array([_flat(getattr(panel, name)) for panel in found], NUMBERS)
        for name in ("close", "dividend", "split", "in_kind")
    }
    return pa.table({"dates": pa.array([panel.dates for panel in found], DAYS), **facts, **arrays})


def _flat(values: Array | None, order: Literal["C", "F"] = "C") -> Array | None:
    return None if values is None else np.asarray(values, dtype=float).ravel(order)


def _by_columns(values: Array | None) -> bool:
    """Whether columns lie together in memory: sums over them take another order, and end in other last digits."""
    return values is not None and values.flags.f_contiguous and not values.flags.c_contiguous


def _panels(table: pa.Table) -> list[Panel]:
    found = []
    for row in range(table.num_rows):
        facts = {
            name: tuple(table[name][row].as_py()) for name in ("symbols", "currency", "simulated", "basis")
        }
        dates = tuple(table["dates"][row].as_py())
        shape = (len(dates), len(facts["symbols"]))
        arrays = {
            name: _shaped(table[name][row], shape) for name in ("close", "dividend", "split", "in_kind")
        }
        found.append(Panel(dates=dates, **facts, **arrays))  # type: ignore[arg-type]
    return found


def _shaped(cell: Any, shape: tuple[int, ...], order: Literal["C", "F"] = "C") -> Array | None:
    return cell.values.to_numpy(zero_copy_only=False).reshape(shape, order=order) if cell.is_valid else None


def evidence_tables(evidence: Mapping[str, Estimates | PackfolioError]) -> dict[str, pa.Table]:
    """Estimates, or why there are none, by their keys."""
    rows = [_evidence_row(key, found) for key, found in evidence.items()]
    types = dict.fromkeys(ARRAYS, NUMBERS) | {
        "key": pa.string(), "error": pa.string(), "said": pa.string(), "symbols": pa.list_(pa.string()),
        "by_columns": pa.list_(pa.string()), "observations": pa.int64(), "assumed": pa.bool_(),
        "notes": pa.list_(pa.string()), "periods_per_year": pa.float64(),
    }  # fmt: skip
    return {
        "evidence": pa.table(
            {name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()}
        )
    }


ARRAYS = ("mean", "covariance", "root", "diagonal", "scenarios", "probabilities", "correlation")


def _evidence_row(key: str, found: Estimates | PackfolioError) -> dict[str, Any]:
    if isinstance(found, PackfolioError):
        return {"key": key, "error": type(found).__name__, "said": str(found)}
    factored = found.low_rank
    risk = (
        {"covariance": found.covariance}
        if factored is None
        else {"root": factored.root, "diagonal": factored.diagonal}
    )
    rest = {name: getattr(found, name) for name in ("mean", "scenarios", "probabilities", "correlation")}
    arrays: dict[str, Array | None] = {**risk, **rest}
    turned = [name for name, values in arrays.items() if _by_columns(values)]
    flat = {name: _flat(values, "F" if name in turned else "C") for name, values in arrays.items()}
    return {
        "key": key, "symbols": list(found.symbols), "observations": found.observations, "notes": list(found.notes),
        "assumed": found.assumed,
        "periods_per_year": found.periods_per_year, "by_columns": turned, **flat,
    }  # fmt: skip


def evidence_from(tables: Mapping[str, pa.Table]) -> dict[str, Estimates | PackfolioError]:
    """What `evidence_tables` told."""
    table = tables["evidence"]
    return {table["key"][row].as_py(): _evidence(table, row) for row in range(table.num_rows)}


def _evidence(table: pa.Table, row: int) -> Estimates | PackfolioError:
    if (kind := table["error"][row].as_py()) is not None:
        error: PackfolioError = getattr(optimizer, kind)(table["said"][row].as_py())
        return error
    symbols = tuple(table["symbols"][row].as_py())
    n = len(symbols)
    shapes = {"mean": (n,), "covariance": (n, n), "root": (-1, n), "diagonal": (n,), "scenarios": (-1, n),
              "probabilities": (-1,), "correlation": (n, n)}  # fmt: skip
    turned = table["by_columns"][row].as_py()
    found = {
        name: _shaped(table[name][row], shape, "F" if name in turned else "C")
        for name, shape in shapes.items()
    }
    risk = found["covariance"]
    return Estimates(
        symbols, found["mean"],
        LowRank(found["root"], found["diagonal"]) if risk is None else risk,  # type: ignore[arg-type]
        found["scenarios"], table["observations"][row].as_py(), tuple(table["notes"][row].as_py()),
        found["probabilities"], table["periods_per_year"][row].as_py(), found["correlation"],
        assumed=table["assumed"][row].as_py(), trusted=True,
    )  # fmt: skip


def settings_table(text: str) -> dict[str, pa.Table]:
    """Of a configuration's text the files that a stage reads: not the portfolios, which snapshots tell."""
    files = {name: said for name, said in json.loads(text).items() if "/" not in name}
    return {
        "files": pa.table(
            {"name": pa.array(list(files), pa.string()), "text": pa.array(list(files.values()), pa.string())}
        )
    }


def settings_from(tables: Mapping[str, pa.Table]) -> tuple[FundExposureMap, Playbooks]:
    """The funds and playbooks of `settings_table`."""
    with TemporaryDirectory() as folder:
        for row in tables["files"].to_pylist():
            (Path(folder) / row["name"]).write_text(row["text"], encoding="utf-8")
        return load_funds(Path(folder) / "funds.yaml"), load_playbooks(Path(folder))
