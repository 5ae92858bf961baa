"""Estimates as rows of return_estimates and covariances, and back; a large covariance is kept as its hash."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter

import numpy as np
import pandas as pd

from optimizer import DataError, Estimates, Recipe
from optimizer.model.sessions import TRADING_DAYS
from resources.ledger.ledger import Connection, bytes_sha256, sha256
from resources.packs.packs import Pack
from resources.results.stage_outputs import json_text

# Above this many symbols a covariance is kept as its recipe and hash, and computed again when it is read.
STORED_SYMBOLS = 500


def covariance_digest(found: Estimates) -> str:
    """SHA-256 of a covariance, bit for bit; of its factors where it has some and is too large to be kept."""
    factors = found.low_rank if len(found.symbols) > STORED_SYMBOLS else None
    if factors is None:
        return sha256(np.ascontiguousarray(found.covariance, dtype="<f8").tobytes().hex())
    parts = (np.ascontiguousarray(part, dtype="<f8").tobytes() for part in (factors.root, factors.diagonal))
    return bytes_sha256(b"".join(parts))


def estimate_frames(
    estimated: Mapping[str, tuple[Recipe, Estimates]], simulated: frozenset[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `return_estimates` and `covariances`, recipes by name, symbols ascending."""
    returns, matrices = [], []
    for name, (recipe, found) in sorted(estimated.items()):
        known = found.mean is not None
        returns.append(
            pd.DataFrame(
                {
                    "recipe": name,
                    "symbol": found.symbols,
                    "expected_return": found.mean if found.mean is not None else np.nan,
                    "volatility": found.volatility if known else np.nan,
                    "observations": found.observations,
                    "simulated": [symbol in simulated for symbol in found.symbols],
                }
            )
        )
        matrices.append(_covariance_frame(name, recipe, found))
    if not returns:  # every portfolio has a problem today: the stages after record which
        return pd.DataFrame(columns=["recipe", "symbol"]), pd.DataFrame(columns=["recipe", "symbol"])
    return pd.concat(returns, ignore_index=True), pd.concat(matrices, ignore_index=True)


def _covariance_frame(name: str, recipe: Recipe, found: Estimates) -> pd.DataFrame:
    text, digest = json_text(_made_by(recipe, found)), covariance_digest(found)
    too_large = len(found.symbols) > STORED_SYMBOLS or found.mean is None
    stored: list[object] = [None] * len(found.symbols) if too_large else list(found.covariance)
    return pd.DataFrame({
        "recipe": name, "symbol": found.symbols, "values": pd.Series(stored, dtype=object),
        "recipe_text": text, "covariance_hash": digest,
    })  # fmt: skip


def _made_by(recipe: Recipe, found: Estimates) -> dict[str, object]:
    """The recipe, and of what came out of it what is not the usual: periods a year other than 252, and notes."""
    made = asdict(recipe)
    stated = made.pop("periods_per_year")
    if stated is not None or found.periods_per_year != TRADING_DAYS:
        made["periods_per_year"] = found.periods_per_year
    return {**made, "notes": found.notes} if found.notes else made


def read_estimates(con: Connection, pack: Pack, recipe: Recipe) -> Estimates | None:
    """The estimates of a recipe as written; None where the covariance is not stored and must be computed again.

    Raises DataError when the stage before has not run.
    """
    for _, found in stored_estimates(con, pack, [recipe.name]):
        return found
    raise DataError(no_estimates(pack, recipe.name))


def no_estimates(pack: Pack, recipe: str) -> str:
    """What to say where a recipe was not estimated."""
    return f"{pack.id} has no estimates {recipe}: materialize return_estimates and covariances"


def stored_estimates(
    con: Connection, pack: Pack, recipes: Sequence[str]
) -> Iterator[tuple[str, Estimates | None]]:
    """(recipe, its estimates as written) of those that are on record; None as in `read_estimates`."""
    rows = con.execute(
        'select recipe, symbol, r.expected_return, r.observations, c."values", c.recipe_text from '
        "latest_return_estimates r join latest_covariances c using (pack_id, recipe, symbol) "
        "where pack_id = ? and recipe in (select unnest(?::varchar[])) order by recipe, symbol",
        [pack.id, list(recipes)],
    ).fetchall()
    for recipe, group in groupby(rows, itemgetter(0)):
        _, symbols, mean, observations, values, texts = zip(*group, strict=True)
        if any(row is None for row in values):
            yield str(recipe), None
            continue
        made = json.loads(texts[0])
        yield str(recipe), Estimates(
            tuple(symbols), np.array(mean, float), np.array(values, float), observations=observations[0],
            notes=made.get("notes", ()), periods_per_year=made.get("periods_per_year", float(TRADING_DAYS)),
            trusted=True,
        )  # fmt: skip
