"""Where a walk back ends: the rows of the logs that a pack saw, the ingests that brought them, and their files."""

import json
from datetime import date
from functools import cache
from pathlib import Path

from optimizer.errors import how_many
from optimizer.model.exchange_rates import UNITS, main_currency
from resources.accounts.rows import CASH
from resources.ledger.ledger import Connection, file_sha256
from resources.packs.packs import Pack
from resources.store.query_rows import Row, rows

# The log beside prices that a factor is told by; characteristics have their own name.
FACTS = {
    "size": "market_caps",
    "nonlinear_size": "market_caps",
    "liquidity": "market_caps",
    "sector": "securities",
}
NEWEST = 5  # price rows shown


class Origins:
    """What a pack saw in the logs, as nodes of a lineage, and who wrote a row on the way there."""

    def __init__(self, con: Connection, pack: Pack) -> None:
        self.con, self.pack = con, pack
        self._pairs: set[str] = set()
        self._codes: set[str] = set()
        self.written = cache(self._read_written)  # many rows have one ledger row
        self._ingest = cache(self._read_ingest)  # and one file

    def environments(self) -> Row:
        """Code version -> libraries, machine and commit, of every version met on the way."""
        found = rows(
            self.con,
            "select config_hash, text from configs where config_hash in (select unnest(?)) order by 1",
            [sorted(self._codes)],
        )
        return {row["config_hash"]: json.loads(row["text"]) for row in found}

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

    def prices(self, symbol: str) -> list[Row]:
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
                "label": f"{how_many(row['rows'], 'price row')} of {symbol}, {row['first']} to {row['last']}",
                "facts": {"source": row["source"], "newest": row["newest"]},
                "from": [self._ingest(row["ingest_seq"])],
            }
            for row in found
        ]

    def _read_ingest(self, seq: int) -> Row:
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
        return {"label": f"ingest {seq}", "facts": row | self.written(seq), "from": [payload]}

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

    def rates(self, currency: str) -> list[Row]:
        """The newest rates of every pair with a currency, or a unit of it, that the pack saw, and what brought them."""
        own = main_currency(currency)[0]
        names = [own, *(unit for unit, (main, _) in UNITS.items() if main == own)]
        found = rows(
            self.con,
            "select base, quote, date, rate, source, ingest_seq from fx_rates "
            "where list_has_any([base, quote], $1) and date <= $2 and ingest_seq <= $3 "
            "qualify row_number() over (partition by base, quote order by date desc, ingest_seq desc) = 1 order by all",
            [names, self.pack.as_of, self.pack.watermark],
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
        told = pair in self._pairs
        self._pairs.add(pair)
        return told

    def facts(self, symbol: str, factor: str) -> list[Row]:
        """The newest row of the log beside prices that a loading is told by, and the ingest that brought it."""
        log = FACTS.get(factor.split(":")[0], "characteristics")
        own = "and name = $4 and known_at <= $2 " if log == "characteristics" else "and $4 <> '' "
        found = rows(
            self.con,
            f"select * exclude (row_hash) from {log} where symbol = $1 and date <= $2 and ingest_seq <= $3 {own}"
            "order by date desc, ingest_seq desc limit 1",
            [symbol, self.pack.as_of, self.pack.watermark, factor],
        )
        return [self._row(log, row) for row in found]

    def account(self, key: str, symbol: str | None) -> list[Row]:
        """The rows that say what an account is, what it holds of a symbol and in money, and what it may not trade."""
        positions = "known_positions($2, $3) where account = $1"
        own = "and ($4::varchar is null or symbol in ($4, '{}'))"
        asked = {
            "accounts": "known_accounts($2, $3) where account = $1",
            "account_positions": f"{positions} {own.format(CASH)}",
            "account_flows": f"known_flows($2, $3) where account = $1 and date > (select max(date) from {positions})",
            "account_restrictions": f"known_restrictions($2, $3) where account = $1 {own.format('*')}",
        }
        known = [key, self.pack.as_of, self.pack.watermark]
        return [
            self._row(log, row)
            for log, where in asked.items()
            for row in rows(
                self.con,
                f"select * exclude (row_hash) from {where} order by all",
                [*known, symbol] if "$4" in where else known,
            )
        ]

    def action(self, symbol: str, day: date, kind: str) -> list[Row]:
        """The newest word on a corporate action, where one is on record and not only in a price row."""
        found = rows(
            self.con,
            "select * exclude (row_hash) from corporate_actions where symbol = $1 and date = $2 and kind = $3 "
            "and ingest_seq <= $4 order by ingest_seq desc limit 1",
            [symbol, day, kind, self.pack.watermark],
        )
        return [self._row("corporate_actions", row) for row in found]

    def _row(self, log: str, row: Row) -> Row:
        """A row of a log, and the ingest that brought it."""
        named = row.get("symbol") or row.get("account")
        return {
            "label": f"{log} {named}",
            "facts": {name: value for name, value in row.items() if value is not None},
            "from": [self._ingest(row["ingest_seq"])],
        }
