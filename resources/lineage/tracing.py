"""Lineage: from a row back through the stages that made it; `origins.py` goes on to prices and files."""

import json
from collections.abc import Sequence
from functools import cache

from optimizer import DataError, PolicyError
from optimizer.errors import how_many, meant
from resources.accounts.keys import key_of
from resources.ledger.ledger import Connection, columns
from resources.ledger.tables import OUTPUTS, ledger_column
from resources.lineage.origins import Origins
from resources.packs.packs import Pack, find_pack
from resources.store.query_rows import Row, rows

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
    """As `trace_row`, of a key whose parts are named; `portfolio` is a UUID.

    Raises PolicyError where no row has that symbol or factor, DataError where there is no row at all.
    """
    walk = Walk(con, pack, most, factor)
    if table in ("pricing_packs", "prices"):
        return walk.pack_node(symbol) | {"environments": walk.origins.environments()}
    found = walk.nodes(table, symbol, portfolio, offset)
    if not found:
        name = dict(_portfolios(con, pack)).get(portfolio or "", portfolio)
        named = " ".join(part for part in (pack.id, symbol, name, factor) if part)
        kind = PolicyError if symbol or factor else DataError  # a name that is not there was misspelt
        raise kind(f"{table} has no row of {named}; see `packfolio trades {pack.id}`")
    tree = found[0] if len(found) == 1 else _several(table, pack, found)
    return tree | {"environments": walk.origins.environments()}


def row_key(con: Connection, table: str, key: Sequence[str]) -> tuple[Pack, str | None, str | None]:
    """(pack, symbol, UUID of the portfolio) of PACK, SYMBOL, PORTFOLIO as far as the table has them.

    SYMBOL may be left out: one name that no row has for a symbol, and a portfolio has, is the portfolio.
    Raises PolicyError for an unknown portfolio, DataError for an unknown pack.
    """
    pack = find_pack(con, key[0])
    symbol, portfolio = ([*key[1:], None, None])[:2]
    known = dict(columns(con, table))
    alone = symbol and not portfolio and "portfolio_id" in known
    if table != "pricing_packs" and (
        "symbol" not in known or (alone and _names_a_book(con, table, pack, symbol))
    ):
        portfolio, symbol = symbol or portfolio, None
    return pack, symbol, _portfolio_id(con, pack, portfolio) if portfolio else None


def _names_a_book(con: Connection, table: str, pack: Pack, name: str | None) -> bool:
    held = con.execute(
        f"select 1 from latest_{table} where pack_id = ? and symbol = ? limit 1", [pack.id, name]
    ).fetchall()
    return not held and any(name in book for book in _portfolios(con, pack))


def _portfolio_id(con: Connection, pack: Pack, wanted: str) -> str:
    return key_of(_portfolios(con, pack), wanted, f"{pack.id} has no portfolio {wanted!r}")


def _portfolios(con: Connection, pack: Pack) -> list[tuple[str, str]]:
    """UUID and name of each portfolio of a pack."""
    found = rows(
        con,
        "select portfolio_id, name from latest_portfolio_snapshots where pack_id = ? order by name",
        [pack.id],
    )
    return [(row["portfolio_id"], row["name"]) for row in found]


def _several(table: str, pack: Pack, found: list[Row]) -> Row:
    return {"label": f"{table} of {pack.id}", "facts": {"rows": len(found)}, "from": found}


def _more(missing: int, of: str) -> list[Row]:
    """What is said of rows that are left out."""
    said = f"{how_many(missing, 'more row')} of {of}: {MORE}"
    return [{"label": said, "facts": {}, "from": []}] if missing else []


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
        self.origins = Origins(con, pack)
        self._told: set[tuple[str, str | None, str | None]] = set()
        self._recipe = cache(self._read_recipe)  # many rows have one portfolio

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
        return told + _more(there - offset - len(told), table)

    def _within(self, found: list[Row], of: str) -> list[Row]:
        """Nodes as far as they may still be told."""
        told = found[: max(self.left, 0)]
        self.left -= len(told)
        return told + _more(len(found) - len(told), of)

    def _node(self, table: str, row: Row, symbol: str | None, portfolio: str | None) -> Row:
        symbol, portfolio = row.get("symbol", symbol), row.get("portfolio_id", portfolio)
        # What a name adds is told by the name's own rows.
        if table == "factor_risks" and row["kind"] == "symbol":
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
            parents += self.origins.facts(str(symbol), str(row["factor"]))
        if table == "portfolio_snapshots" and row["model"]:
            parents += self._within(self.origins.account(str(portfolio), symbol), f"the account {portfolio}")
        if table == "holding_adjustments":
            parents += self.origins.action(str(symbol), row["date"], str(row["kind"]))
        if row.get("fx_rate") not in (None, 1.0):
            parents += self.origins.rates(str(row["currency"]))
        written = self.origins.written(row[ledger_column(table)], row.get("portfolio_id"))
        return {"label": named, "facts": facts | written, "from": parents}

    def _read_recipe(self, portfolio: str) -> str | None:
        """The recipe of a portfolio's estimates, by the inputs of its posterior."""
        from resources.books.snapshots import read_snapshots

        return next(
            (s.recipe().name for s in read_snapshots(self.con, self.pack, portfolio_id=portfolio)),
            None,
        )

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
            "facts": facts | self.origins.written(row["materialization"]),
            "from": self.origins.prices(symbol) if symbol else [],
        }
