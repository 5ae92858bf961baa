"""Lineage: from a row back through the stages that made it, to the prices and the files they came in."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from optimizer import DataError, PolicyError
from optimizer.errors import meant
from resources.accounts.keys import key_of
from resources.ledger.ledger import Connection, columns, file_sha256
from resources.ledger.tables import OUTPUTS, ledger_column
from resources.packs.packs import Pack, find_pack
from resources.results.queries import Row, rows

# What each table was computed from; what is computed from prices alone ends at the pack.
PARENTS = {
    "trades": ("lot_sales", "optimal_weights", "portfolio_snapshots"),
    "lot_sales": ("tax_lots",),
    "trade_schedule": ("trades",),
    "trade_lists": ("trades",),
    "optimal_weights": ("optimization_results", "posterior_returns"),
    "optimization_results": (),
    "portfolio_exposures": ("optimal_weights",),
    "posterior_returns": ("return_estimates", "covariances", "portfolio_snapshots"),
    "return_estimates": ("pricing_packs",),
    "covariances": ("factor_exposures", "pricing_packs"),
    "factor_exposures": ("pricing_packs",),
    "factor_model_quality": ("pricing_packs",),
    "factor_returns": ("pricing_packs",),
    "factor_covariances": ("factor_returns",),
    "specific_risks": ("factor_exposures",),
    "portfolio_snapshots": ("holdings", "tax_lots", "holding_adjustments", "pricing_packs"),
    "holdings": (),
    "tax_lots": (),
    "holding_adjustments": (),
    "backtest_results": ("portfolio_snapshots",),
    "backtest_summary": ("portfolio_snapshots",),
    "backtest_attribution": ("backtest_results",),
    "backtest_factors": ("backtest_results",),
    "backtest_weights": ("backtest_results",),
    "impact": ("trades",),
    "factor_risks": ("factor_exposures", "factor_covariances", "specific_risks", "trades"),
    "tail_risk": ("portfolio_snapshots", "trades"),
    "held_returns": ("portfolio_snapshots",),
    "decisions": ("portfolio_snapshots",),
    "regimes": ("regime_drivers",),
    "regime_drivers": ("pricing_packs",),
    "hedges": ("scenario_losses", "portfolio_snapshots"),
    "scenario_losses": ("portfolio_snapshots",),
}
OF_FACTORS = ("factor_exposures", "specific_risks", "factor_risks", "backtest_factors", "held_returns")
TRACED = {*PARENTS, "pricing_packs", "prices"}
# Columns that are long, or that the tree shows elsewhere.
LONG = {
    "values",
    "diagnostics",
    "numbers",
    "universe",
    "recipe_text",
    "constraints",
    "benchmark",
    "policy",
    "materialization",
}
# The log beside prices that a factor is told by; characteristics have their own name.
FACTS = {
    "size": "market_caps",
    "nonlinear_size": "market_caps",
    "liquidity": "market_caps",
    "sector": "securities",
}
NEWEST = 5  # price rows shown
EVERY = 2**31
MORE = "ask for one symbol or portfolio, or from an offset on"


def trace_row(
    con: Connection, table: str, key: Sequence[str], most: int | None = None, offset: int = 0
) -> Row:
    """The lineage of a row as a tree of {"label", "facts", "from"}, with the environments it was computed in.

    key     PACK, then SYMBOL, then PORTFOLIO (name or UUID) or FACTOR, as far as the table has them
    most    rows told in all, those they came from among them; what is left out is said. None: all
    offset  rows of the table passed over
    Raises PolicyError for a table or key that does not exist, naming the valid ones.
    """
    refuse_untraced(table)
    if not key:
        raise PolicyError(f"name the pack: packfolio trace {table} PACK [SYMBOL] [PORTFOLIO]")
    factor = key[2] if table in OF_FACTORS and len(key) > 2 else None
    pack, symbol, portfolio = row_key(con, table, key[:2] if factor else key)
    return trace_of(con, table, pack, symbol, portfolio, factor, most, offset)


def refuse_untraced(table: str) -> None:
    """Raises PolicyError for a table of which there is no lineage."""
    if table not in TRACED:
        raise PolicyError(f"there is no lineage of {table!r}; {meant(table, sorted(TRACED))}")


def trace_of(
    con: Connection, table: str, pack: Pack, symbol: str | None, portfolio: str | None, factor: str | None,
    most: int | None = None, offset: int = 0,
) -> Row:  # fmt: skip
    """As `trace_row`, of a key whose parts are named; `portfolio` is a UUID. Raises DataError where there is no row."""
    walk = Walk(con, pack, most, factor)
    if table in ("pricing_packs", "prices"):
        return walk.pack_node(symbol) | {"environments": walk.environments()}
    found = walk.nodes(table, symbol, portfolio, offset)
    if not found:
        named = " ".join(part for part in (pack.id, symbol, portfolio, factor) if part)
        raise DataError(f"{table} has no row of {named}; see `packfolio trades {pack.id}`")
    tree = found[0] if len(found) == 1 else _several(table, pack, found)
    return tree | {"environments": walk.environments()}


def row_key(con: Connection, table: str, key: Sequence[str]) -> tuple[Pack, str | None, str | None]:
    """(pack, symbol, UUID of the portfolio) of PACK, SYMBOL, PORTFOLIO as far as the table has them.

    Raises PolicyError for an unknown portfolio, DataError for an unknown pack.
    """
    pack = find_pack(con, key[0])
    symbol, portfolio = ([*key[1:], None, None])[:2]
    if "symbol" not in dict(columns(con, table)) and table != "pricing_packs":
        portfolio, symbol = symbol or portfolio, None
    return pack, symbol, _portfolio_id(con, pack, portfolio) if portfolio else None


def _portfolio_id(con: Connection, pack: Pack, wanted: str) -> str:
    found = rows(
        con,
        "select portfolio_id, name from latest_portfolio_snapshots where pack_id = ? order by name",
        [pack.id],
    )
    known = [(row["portfolio_id"], row["name"]) for row in found]
    return key_of(known, wanted, f"{pack.id} has no portfolio {wanted!r}")


def _several(table: str, pack: Pack, found: list[Row]) -> Row:
    return {"label": f"{table} of {pack.id}", "facts": {"rows": len(found)}, "from": found}


def _parents(table: str, row: Row) -> tuple[str, ...]:
    """What a row was computed from; of a factor's risk not the names' own, nor the other way round."""
    other = (
        {"factor": "specific_risks", "specific": "factor_"}.get(row["kind"])
        if table == "factor_risks"
        else None
    )
    return tuple(parent for parent in PARENTS[table] if other is None or not parent.startswith(other))


class Walk:
    """A walk back from one row; each node below another is what that one was computed from."""

    def __init__(
        self, con: Connection, pack: Pack, most: int | None = None, factor: str | None = None
    ) -> None:
        self.con, self.pack, self.left = con, pack, EVERY if most is None else most
        self._factor = factor
        self._told: set[tuple[str, str | None, str | None]] = set()
        self._codes: set[str] = set()
        self._recipe = cache(self._read_recipe)  # many rows have one portfolio, and one ledger row
        self._written = cache(self._read_written)

    def environments(self) -> Row:
        """Code version -> libraries, machine and commit, of every version met on the way."""
        found = rows(
            self.con,
            "select config_hash, text from configs where config_hash in (select unnest(?)) order by 1",
            [sorted(self._codes)],
        )
        return {row["config_hash"]: json.loads(row["text"]) for row in found}

    def nodes(self, table: str, symbol: str | None, portfolio: str | None, offset: int = 0) -> list[Row]:
        """The newest rows of a table under the pack, each with what it came from, while some may be told."""
        if table == "pricing_packs":
            return [self.pack_node(symbol)]
        known = dict(columns(self.con, table))
        where, params = ["pack_id = ?"], [self.pack.id]
        wanted = (
            ("symbol", symbol),
            ("portfolio_id", portfolio),
            ("factor", self._factor),
            ("part", self._factor),
        )
        for column, value in wanted:
            if column in known and value is not None:
                where.append(f"{column} = ?")
                params.append(value)
        if "recipe" in known and portfolio and (recipe := self._recipe(portfolio)):
            where.append("recipe = ?")
            params.append(recipe)
        source = f"latest_{table}" if table in OUTPUTS else table
        rest = f"from {source} where {' and '.join(where)}"
        page = f"order by all limit {self.left} offset {offset}"
        found = rows(self.con, f"select * {rest} {page}", list(params))
        there = offset + len(found)
        if len(found) == self.left:
            there = self.con.execute(f"select count(*) {rest}", list(params)).fetchall()[0][0]
        told: list[Row] = []
        for row in found:
            if self.left <= 0:
                break
            self.left -= 1
            told.append(self._node(table, row, symbol, portfolio))
        if missing := there - offset - len(told):
            told.append({"label": f"{missing} more rows of {table}: {MORE}", "facts": {}, "from": []})
        return told

    def _node(self, table: str, row: Row, symbol: str | None, portfolio: str | None) -> Row:
        symbol, portfolio = row.get("symbol", symbol), row.get("portfolio_id", portfolio)
        if (
            table == "factor_risks" and row["kind"] == "symbol"
        ):  # what a name adds is told by the name's own rows
            symbol, self._factor = row["part"], None
        parts = (table, *(row.get(column) for column in ("symbol", "exposure_type", "factor", "part")))
        named = " ".join(str(part) for part in parts if part)
        facts = {
            name: value
            for name, value in row.items()
            if name not in LONG | {"materialization"} and value is not None
        }
        if table == "optimization_results":
            facts["policy"] = json.loads(row["diagnostics"] or "{}").get("policy_as_applied")
        parents: list[Row] = []
        for parent in _parents(table, row):
            seen = (parent, symbol, portfolio)
            if seen not in self._told:  # a source of two stages stands under the first
                self._told.add(seen)
                parents += self.nodes(parent, symbol, portfolio)
        if table == "factor_exposures":
            parents += self._told_by(str(symbol), str(row["factor"]))
        if row.get("fx_rate") not in (None, 1.0):
            parents += self._fx_nodes(str(row["currency"]))
        written = self._written(row[ledger_column(table)], row.get("portfolio_id"))
        return {"label": named, "facts": facts | written, "from": parents}

    def _told_by(self, symbol: str, factor: str) -> list[Row]:
        """The newest row of the log beside prices that a loading is told by, and the ingest that brought it."""
        log = FACTS.get(factor.split(":")[0], "characteristics")
        own = "and name = $4 and known_at <= $2 " if log == "characteristics" else "and $4 <> '' "
        found = rows(
            self.con,
            f"select * exclude (row_hash) from {log} where symbol = $1 and date <= $2 and ingest_seq <= $3 {own}"
            "order by date desc, ingest_seq desc limit 1",
            [symbol, self.pack.as_of, self.pack.watermark, factor],
        )
        return [
            {
                "label": f"{log} {symbol}",
                "facts": {name: value for name, value in row.items() if value is not None},
                "from": [self._ingest(row["ingest_seq"])],
            }
            for row in found
        ]

    def _fx_nodes(self, currency: str) -> list[Row]:
        """The newest rates of every pair with a currency that the pack saw, and the ingests that brought them."""
        found = rows(
            self.con,
            "select base, quote, date, rate, source, ingest_seq from fx_rates where $1 in (base, quote) "
            "and date <= $2 and ingest_seq <= $3 "
            "qualify row_number() over (partition by base, quote order by date desc, ingest_seq desc) = 1 order by all",
            [currency, self.pack.as_of, self.pack.watermark],
        )
        return [
            {
                "label": f"fx_rates {row['base']}/{row['quote']}",
                "facts": {name: row[name] for name in ("date", "rate", "source")},
                "from": [self._ingest(row["ingest_seq"])],
            }
            for row in found
            if not self._seen(f"{row['base']}/{row['quote']}")
        ]

    def _seen(self, pair: str) -> bool:
        """Whether a pair of currencies has been told already; it has from now on."""
        key = ("fx_rates", pair, None)
        told = key in self._told
        self._told.add(key)
        return told

    def _read_recipe(self, portfolio: str) -> str | None:
        """The recipe of a portfolio's estimates, by the inputs of its posterior."""
        from resources.books.snapshots import read_snapshots

        return next(
            (s.recipe().name for s in read_snapshots(self.con, self.pack, portfolio_id=portfolio)),
            None,
        )

    def _read_written(self, entry: int, portfolio: str | None = None) -> Row:
        """Who wrote a row: run, time, code, configuration, libraries; of a unit, its own content and inputs."""
        line = rows(
            self.con,
            'select m.id as ledger_row, m.run_id, m."at", m.code_version, m.config_hash, '
            "coalesce(u.content_hash, m.content_hash) as content_hash, m.input_hashes, u.input_hashes as own "
            "from materializations m left join materialization_units u on u.materialization = m.id "
            "and u.portfolio_id = $2 where m.id = $1",
            [entry, portfolio],
        )
        if not line:
            return {"ledger_row": f"{entry} is gone: run `packfolio packs verify`"}
        found = line[0]
        self._codes.add(found["code_version"])
        inputs = json.loads(found["input_hashes"]) | json.loads(found.pop("own") or "{}")
        return {"written": {**found, "input_hashes": inputs}}

    def pack_node(self, symbol: str | None) -> Row:
        """The pack and the price rows of a symbol that it saw."""
        row = rows(self.con, "select * from pricing_packs where pack_id = ?", [self.pack.id])[0]
        facts = {
            name: value
            for name, value in row.items()
            if name not in {"materialization"} and value is not None
        }
        return {
            "label": f"pack {self.pack.id}",
            "facts": facts | self._written(row["materialization"]),
            "from": self.price_nodes(symbol) if symbol else [],
        }

    def price_nodes(self, symbol: str) -> list[Row]:
        """The price rows of a symbol as the pack saw them, by the ingest that brought them."""
        found = rows(
            self.con,
            "select ingest_seq, source, count(*) as rows, min(date) as first, max(date) as last, "
            f"arg_max({{'date': date, 'close': close, 'adj_close': adj_close, 'dividend': dividend, 'split': split, "
            f"'simulated': simulated}}, date, {NEWEST}) as newest from pack_prices(?) where symbol = ? "
            "group by all order by last desc, ingest_seq desc",
            [self.pack.id, symbol],
        )
        return [
            {
                "label": f"{row['rows']} price rows of {symbol}, {row['first']} to {row['last']}",
                "facts": {"source": row["source"], "newest": row["newest"]},
                "from": [self._ingest(row["ingest_seq"])],
            }
            for row in found
        ]

    def _ingest(self, seq: int) -> Row:
        found = rows(self.con, "select * from ingests where ingest_seq = ?", [seq])
        if not found:
            return {"label": f"ingest {seq} is gone: run `packfolio packs verify`", "facts": {}, "from": []}
        row = {name: value for name, value in found[0].items() if value is not None}
        payload = {
            "label": f"payload {row['payload_name']}",
            "facts": {
                "sha256": row["payload_sha256"],
                "path": row.get("payload_path"),
                "file": self._payload(row),
            },
            "from": [],
        }
        return {"label": f"ingest {seq}", "facts": row | self._written(seq), "from": [payload]}

    def _payload(self, row: Row) -> str:
        """Whether the raw payload is still what was ingested."""
        home = Path(
            str(
                self.con.execute("select path from duckdb_databases() where path is not null").fetchall()[0][
                    0
                ]
            )
        ).parent
        path = home / str(row.get("payload_path", ""))
        if not path.is_file():
            return "no longer there"
        return (
            "as ingested" if file_sha256(path) == row["payload_sha256"] else "CHANGED since it was ingested"
        )
