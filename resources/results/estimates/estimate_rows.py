"""Estimates as rows of return_estimates and covariances, and back; a large covariance is kept as its hash."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

import numpy as np
import pyarrow as pa

from optimizer import DataError, Estimates, Recipe
from optimizer.model.sessions import TRADING_DAYS
from resources.ledger.ledger import Connection, bytes_sha256, sha256
from resources.packs.packs import Pack
from resources.results.stage_outputs import json_text

# Above this many symbols a covariance is kept as its recipe and hash, and computed again when it is read.
STORED_SYMBOLS = 500
RETURNS = pa.schema([
    ("recipe", pa.string()), ("symbol", pa.string()), ("expected_return", pa.float64()), ("volatility", pa.float64()),
    ("observations", pa.int64()), ("simulated", pa.bool_()),
])  # fmt: skip
COVARIANCES = pa.schema([
    ("recipe", pa.string()), ("symbol", pa.string()), ("values", pa.list_(pa.float64())), ("recipe_text", pa.string()),
    ("covariance_hash", pa.string()),
])  # fmt: skip


def covariance_digest(found: Estimates) -> str:
    """SHA-256 of a covariance, bit for bit; of its factors where it has some and is too large to be kept."""
    factors = found.low_rank if len(found.symbols) > STORED_SYMBOLS else None
    if factors is None:
        return sha256(np.ascontiguousarray(found.covariance, dtype="<f8").tobytes().hex())
    parts = (np.ascontiguousarray(part, dtype="<f8").tobytes() for part in (factors.root, factors.diagonal))
    return bytes_sha256(b"".join(parts))


def estimate_frames(
    estimated: Mapping[str, tuple[Recipe, Estimates]], simulated: frozenset[str]
) -> tuple[pa.Table, pa.Table]:
    """Rows of `return_estimates` and `covariances`, recipes by name, symbols ascending."""
    told = [(name, *made) for name, made in sorted(estimated.items())]
    # Without any, every portfolio has a problem today: the stages after record which.
    return (
        pa.concat_tables(
            [RETURNS.empty_table(), *(_return_rows(name, found, simulated) for name, _, found in told)]
        ),
        pa.concat_tables([COVARIANCES.empty_table(), *(_covariance_rows(*one) for one in told)]),
    )


def _return_rows(name: str, found: Estimates, simulated: frozenset[str]) -> pa.Table:
    n, known = len(found.symbols), found.mean is not None
    columns = [
        [name] * n, found.symbols, found.mean if known else [None] * n, found.volatility if known else [None] * n,
        [found.observations] * n, [symbol in simulated for symbol in found.symbols],
    ]  # fmt: skip
    arrays = [
        pa.array(cells, kind, from_pandas=True) for cells, kind in zip(columns, RETURNS.types, strict=True)
    ]
    return pa.table(arrays, schema=RETURNS)


def _covariance_rows(name: str, recipe: Recipe, found: Estimates) -> pa.Table:
    n, text = len(found.symbols), json_text(_made_by(recipe, found))
    too_large = n > STORED_SYMBOLS or found.mean is None
    stored = [None] * n if too_large else list(found.covariance)
    columns = ([name] * n, found.symbols, stored, [text] * n, [covariance_digest(found)] * n)
    arrays = [pa.array(cells, kind) for cells, kind in zip(columns, COVARIANCES.types, strict=True)]
    return pa.table(arrays, schema=COVARIANCES)


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
    rows = con.sql(
        'select recipe, symbol, r.expected_return, r.observations, c."values", c.recipe_text from '
        "latest_return_estimates r join latest_covariances c using (pack_id, recipe, symbol) "
        "where pack_id = ? and recipe in (select unnest(?::varchar[])) order by recipe, symbol",
        params=[pack.id, list(recipes)],
    ).to_arrow_table()
    start = 0
    for recipe, group in groupby(rows["recipe"].to_pylist()):
        own = rows.slice(start, sum(1 for _ in group))
        n, values = len(own), own["values"].combine_chunks()
        start += n
        if values.null_count:
            yield recipe, None
            continue
        made = json.loads(own["recipe_text"][0].as_py())
        yield recipe, Estimates(
            tuple(own["symbol"].to_pylist()), np.array(own["expected_return"], float),
            np.array(values.flatten()).reshape(n, n), observations=own["observations"][0].as_py(),
            notes=made.get("notes", ()), periods_per_year=made.get("periods_per_year", float(TRADING_DAYS)),
            trusted=True,
        )  # fmt: skip
