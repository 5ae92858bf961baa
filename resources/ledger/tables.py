"""What is known about each table: which are logs, what keys them, and which columns are not content."""

import re
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Log:
    """An append-only log: the columns that name a fact, and those that state it."""

    keys: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Key columns, then value columns."""
        return self.keys + self.values


LOGS: dict[str, Log] = {
    "prices": Log(
        ("symbol", "date", "source"),
        (
            "open",
            "high",
            "low",
            "close",
            "volume",
            "dividend",
            "split",
            "currency",
            "basis",
            "simulated",
            "known_at",
            "withdrawn",
        ),
    ),
    "corporate_actions": Log(
        ("symbol", "date", "kind", "source"),
        ("value", "currency", "note", "new_symbol", "cash", "cash_in_lieu", "basis_share", "withdrawn"),
    ),
    "securities": Log(
        ("symbol", "date", "source"), ("name", "sector", "currency", "exchange", "kind", "simulated", "note")
    ),
    "market_caps": Log(("symbol", "date", "source"), ("market_cap", "currency")),
    "ratings": Log(("symbol", "date", "source"), ("rating",)),
    "fx_rates": Log(("base", "quote", "date", "source"), ("rate",)),
    "risk_free_rates": Log(("currency", "date", "source"), ("rate", "note")),
    "macro_series": Log(("series", "date", "known_at", "source"), ("value",)),
    "accounts": Log(
        ("account", "date", "source"),
        ("name", "model", "base_currency", "cash_buffer", "tax_status", "closed", "withdrawn"),
    ),
    "account_positions": Log(
        ("account", "symbol", "date", "lot", "source"), ("quantity", "cost_basis", "acquired", "withdrawn")
    ),
    "account_flows": Log(
        ("account", "date", "reference", "source"), ("amount", "currency", "note", "withdrawn")
    ),
    "account_restrictions": Log(
        ("account", "symbol", "kind", "date", "source"), ("until", "reason", "withdrawn")
    ),
    "characteristics": Log(("symbol", "date", "name", "known_at", "source"), ("value",)),
}

# What the trade calls the date of some logs: a generated column, and a column of their files.
DATED = {"accounts": "valid_from", "account_positions": "as_of", "account_restrictions": "valid_from"}

# The newest row of a log may differ from the one on record by this much, relative, and still be the same value.
SAME_VALUE = 1e-6

# A row for each portfolio that a ledger row covers.
UNITS = "materialization_units"

_STATED = re.findall(
    r"^create table (\w+) \((?: -- written with (\w+))?\n(.*?)^\);",
    (files("resources.store") / "schema.sql").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
# What a stage computes from a pack: every table of schema.sql that is keyed by one, besides the packs themselves.
OUTPUTS = tuple(
    name
    for name, _, columns in _STATED
    if "pack_id varchar not null" in columns
    and "materialization bigint" in columns
    and name not in ("pricing_packs", UNITS)
)
OF_PORTFOLIOS = frozenset(name for name, _, columns in _STATED if "portfolio_id varchar not null" in columns)
# Tables written by another asset's transaction, under that asset's ledger row.
ASSET_OF = {name: asset for name, asset, _ in _STATED if asset}

INGEST_TABLES = (*LOGS, "log_leaves", "ingests", "quarantine", "decisions")
LEDGERED = (*INGEST_TABLES, "configs", "check_findings", "pricing_packs", *OUTPUTS, UNITS)

# Left out of content hashes: ids, run, times, and the vendor's own adjustment, which every dividend restates.
NOT_CONTENT = frozenset(
    {
        "materialization",
        "ingest_seq",
        "watermark_seq",
        "run_id",
        "at",
        "created_at",
        "vendor_adj_close",
        "row_hash",
    }
)


def ledger_column(table: str) -> str:
    """The column that holds the id of the ledger row by which a row of `table` was written."""
    return "ingest_seq" if table in INGEST_TABLES else "materialization"
