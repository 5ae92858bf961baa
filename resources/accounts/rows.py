"""What a row about accounts can have wrong: one SQL query judges a whole file, and sets aside what cannot be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from optimizer.errors import how_many
from optimizer.problem.trade_bounds import RESTRICTIONS
from resources.accounts.files import NUMBERS, Told
from resources.ledger.ledger import Connection, whole
from resources.ledger.tables import DATED, LOGS
from resources.prices.columns import SYMBOL
from resources.prices.source import QUARANTINE, Finding

ACCOUNT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}"
CASH = "CASH"  # the position that is money, in base currency
NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"  # a cast to double would read 1_0 as 10
ISO_DAY = r"\d{4}-\d{2}-\d{2}( 00:00:00)?"
ALWAYS = date(1990, 1, 1)  # from when a row holds that says no day
MOST = 1e12  # shares, or money: more is a mistake
KINDS = (*RESTRICTIONS, "do_not_hold")
TAXES = ("taxable", "exempt")
DAYS = ("date", "acquired", "until")
YES_NO = ("closed", "withdrawn")
EMPTY = ("lot", "reference")  # parts of a key that may be left out
# What may be right another day: a file with such rows is looked at again by each ingest.
MAY_CHANGE = ("UNKNOWN_MODEL", "UNKNOWN_ACCOUNT", "UNKNOWN_SYMBOL", "FUTURE_DATE", "TAKEN_KEY")


@dataclass(frozen=True)
class Known:
    """What rows are held against: the clock's day, the models, and the ids and names of the portfolios in YAML."""

    today: date
    models: Mapping[str, bool] = field(default_factory=dict)  # name -> whether it may be short
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Check:
    """A fault: its code, when a row has it, and what to say of it; both as SQL."""

    code: str
    when: str
    said: str


@dataclass(frozen=True)
class Judged:
    """The rows of a file: those of the log, those set aside, and a finding a code."""

    rows: pa.Table
    aside: pa.Table
    findings: tuple[Finding, ...]


def judged(con: Connection, told: Told, known: Known) -> Judged:
    """The rows of a file that can be believed, and the others with their reasons.

    Raises DataError where a row is neither: it was lost on the way.
    """
    con.register("told_rows", told.rows)
    con.register("known_models", _models(known))
    con.register("taken_keys", pa.table({"key": pa.array(sorted(known.taken), pa.string())}))
    con.execute(f"create or replace temp table typed_rows as {_typed(told.log)}")
    con.execute(f"create or replace temp table judged_rows as {_faults(told.log, known.today)}")
    columns = [name for name in LOGS[told.log].columns if name != "source"]
    rows = con.sql(
        f"select {', '.join(columns)} from judged_rows where fault_code is null order by line"
    ).to_arrow_table()
    symbol = "symbol" if "symbol" in columns else "null::varchar"
    aside = con.sql(
        f"select {symbol} as symbol, date, line, fault_code as code, fault_said as reason, raw, account "
        "from judged_rows where fault_code is not null order by line"
    ).to_arrow_table()
    for name in ("told_rows", "known_models", "taken_keys"):
        con.unregister(name)
    con.execute("drop table typed_rows; drop table judged_rows")
    whole(told.name, told.rows.num_rows, rows.num_rows + aside.num_rows)
    return Judged(
        rows, aside.cast(QUARANTINE.append(pa.field("account", pa.string()))), tuple(_summed(aside))
    )


def _models(known: Known) -> pa.Table:
    names = sorted(known.models)
    return pa.table(
        {
            "model": pa.array(names, pa.string()),
            "short": pa.array([known.models[n] for n in names], pa.bool_()),
        }
    )


def _typed(log: str) -> str:
    """SQL: the rows with their cells typed, beside the cells as they came (`told_*`) and the row as CSV (`raw`)."""
    names = [name for name in LOGS[log].columns if name != "source"]
    cells = ", ".join(f"nullif(trim({name}), '') as told_{name}" for name in names)
    raw = " || ',' || ".join(map(_csv_cell, names))
    typed = ", ".join(f"{_cell(name, log)} as {name}" for name in names)
    told = f"(select line, {raw} as raw, {cells} from told_rows)"
    return f"select line, raw, {typed}, told.* exclude (line, raw) from {told} told"


def _csv_cell(name: str) -> str:
    quoted = f"""'"' || replace({name}, '"', '""') || '"'"""
    return f"""case when regexp_matches({name}, '[",\\r\\n]') then {quoted} else coalesce({name}, '') end"""


def _cell(name: str, log: str) -> str:
    told = f"told_{name}"
    if name in NUMBERS:
        return f"case when regexp_full_match({told}, '{NUMBER}') then try_cast({told} as double) end"
    if name in DAYS:
        day = f"case when regexp_full_match({told}, '{ISO_DAY}') then try_cast(left({told}, 10) as date) end"
        absent = f"case when {told} is null then date '{ALWAYS}' end"
        always = name == "date" and log in ("accounts", "account_restrictions")
        return f"coalesce({day}, {absent})" if always else day
    if name in YES_NO:  # false is what an empty cell says
        return f"case when lower({told}) = 'true' then true end"
    return f"coalesce({told}, '')" if name in EMPTY else told


def _faults(log: str, today: date) -> str:
    """SQL: the rows with the code and reason of their first fault."""
    keys = ", ".join(key for key in LOGS[log].keys if key != "source")
    values = ", ".join(LOGS[log].values)
    checks = _checks(log, today)
    code = " ".join(f"when {check.when} then '{check.code}'" for check in checks)
    said = " ".join(f"when {check.when} then {check.said}" for check in checks)
    return f"""
        with alone as (
            select *, case {code} end as own_code, case {said} end as own_reason from typed_rows t
        ), twins as (
            select *, count(*) over same as many, min(line) over same as first_line,
                count(distinct hash({values})) over same as different
            from alone window same as (partition by own_code is null, {keys})
        )
        select *, case when own_code is not null then own_code
            when different > 1 then 'DUPLICATE_CONFLICT' when line > first_line then 'DUPLICATE_SAME' end as fault_code,
            case when own_code is not null then own_reason
            when different > 1 then 'the file tells it ' || many || ' times, first in line ' || first_line
                || ', and not alike; send one row of {keys}'
            when line > first_line then 'line ' || first_line || ' says the same; send it once' end as fault_said
        from twins
    """


def _checks(log: str, today: date) -> list[Check]:
    told = [name for name in LOGS[log].columns if name != "source"]
    checks = [
        _bad("ACCOUNT", "account", f"coalesce(not regexp_full_match(told_account, '{ACCOUNT}'), true)",
             "an account key has letters, digits and . _ - only, at most 60"),
        *_dates(log, told, today),
        *(_bad("VALUE", name, f"lower(told_{name}) not in ('true', 'false')", "write true or false")
          for name in YES_NO if name in told),
        *(_bad("SYMBOL", "symbol", f"coalesce(not regexp_full_match(told_symbol, '{SYMBOL}'), true)"
               + (" and coalesce(told_symbol, '') <> '*'" if log == "account_restrictions" else ""),
               "a symbol has capitals, digits and . ^ = _ / - only") for _ in told if _ == "symbol"),
    ]  # fmt: skip
    # what takes a row back needs no more than its key
    own = [Check(c.code, f"(withdrawn is null and ({c.when}))", c.said) for c in _of_log(log, told)]
    return [*checks, *own]


def _dates(log: str, told: list[str], today: date) -> Iterator[Check]:
    name = DATED.get(log, "date")
    for column in (column for column in DAYS if column in told):
        shown = name if column == "date" else column
        wrong = "date is null" if column == "date" else f"told_{column} is not null and {column} is null"
        yield Check(
            "BAD_DATE", f"({wrong} or year({column}) < 1900)",
            f"'{shown} is ' || coalesce(told_{column}, 'empty') || '; write dates such as 2026-01-31'",
        )  # fmt: skip
    if log in ("account_positions", "account_flows"):
        said = f"'it is dated ' || date || ', after today, {today}; wait for the day, or correct the date'"
        yield Check("FUTURE_DATE", f"date > date '{today}'", said)


def _bad(what: str, column: str, when: str, must: str) -> Check:
    return Check(f"BAD_{what}", when, f"'{column} is ' || coalesce(told_{column}, 'empty') || '; {must}'")


def _of_log(log: str, told: list[str]) -> Iterator[Check]:
    """What the rows of one log must be besides."""
    for name in (name for name in NUMBERS if name in told):
        wrong = f"told_{name} is not null and ({name} is null or not isfinite({name}))"
        yield _bad("NUMBER", name, wrong, "it must be a finite number such as 1234.5")
        too_much = f"'{name} is ' || told_{name} || '; more than {MOST:g} is taken for a mistake'"
        yield Check("ABSURD", f"abs({name}) > {MOST}", too_much)
    yield from OF_LOG[log]
    if log != "accounts":
        yield Check(
            "UNKNOWN_ACCOUNT", "account not in (select account from accounts where withdrawn is null)",
            "'there is no account ' || account || '; send its row of accounts'",
        )  # fmt: skip


PRICED = f"(select symbol from prices union select symbol from securities union select '{CASH}')"
# A share that ended, or its name, before anything was priced here: what is held of it is what it became.
ENDED = "(select symbol from stated_actions(null) where kind in ('rename', 'merger', 'delisting'))"
OF_LOG: dict[str, tuple[Check, ...]] = {
    "accounts": (
        Check(
            "UNKNOWN_MODEL",
            "closed is null and coalesce(told_model not in (select model from known_models), true)",
            "'there is no model ' || coalesce(told_model, '(empty)') || '; config/models has '"
            "|| coalesce((select string_agg(model, ', ' order by model) from known_models), 'none')",
        ),
        Check(
            "TAKEN_KEY",
            "account in (select key from taken_keys)",
            "account || ' is the id or name of a portfolio in YAML; give the account another key'",
        ),
        _bad(
            "CURRENCY",
            "base_currency",
            "not regexp_full_match(told_base_currency, '[A-Z]{3}')",
            "write three capitals such as USD",
        ),
        _bad(
            "CASH_BUFFER",
            "cash_buffer",
            "not (cash_buffer >= 0 and cash_buffer < 1)",
            "it is a fraction of the value: 0.02 keeps 2% in cash",
        ),
        _bad("TAX_STATUS", "tax_status", f"tax_status not in {TAXES}", f"it is one of {', '.join(TAXES)}"),
    ),
    "account_positions": (
        Check("MISSING_VALUE", "told_quantity is null", "'quantity is empty; fill it in'"),
        Check(
            "UNKNOWN_SYMBOL",
            f"symbol not in {PRICED} and symbol not in {ENDED}",
            "'no source has ever priced ' || symbol || '; correct it, or ingest its prices'",
        ),
        Check(
            "AMBIGUOUS_CASH",
            f"symbol = '{CASH}' and symbol in (select symbol from prices)",
            f"'{CASH} is money, and a symbol that is priced: which one is held can not be told'",
        ),
        Check(
            "NEGATIVE_QUANTITY",
            f"quantity < 0 and symbol <> '{CASH}' and account not in (select account from accounts join known_models "
            "using (model) where short)",
            "'quantity is ' || told_quantity || ', and its model is long_only; correct it'",
        ),
        _bad("COST", "cost_basis", "cost_basis < 0", "a cost per share is 0 or more"),
        _bad("ACQUIRED", "acquired", "acquired > date", "a lot is bought on or before the day of the positions"),
        Check(
            "LOT_UNDATED",
            "lot <> '' and acquired is null",
            "'lot ' || lot || ' says no day on which it was acquired; fill it in'",
        ),
        Check(
            "LOT_WITHOUT_COST",
            "acquired is not null and (cost_basis is null or quantity <= 0)",
            "'a tax lot has a cost_basis and a quantity above 0; fill them in'",
        ),
    ),
    "account_flows": (
        Check("MISSING_VALUE", "told_amount is null", "'amount is empty; fill it in'"),
        _bad("CURRENCY", "currency", "not regexp_full_match(told_currency, '[A-Z]{3}')", "write three capitals"),
    ),
    "account_restrictions": (
        _bad("KIND", "kind", f"coalesce(kind not in {KINDS}, true)", f"it is one of {', '.join(KINDS)}"),
        _bad("SYMBOL", "symbol", "symbol = '*' and kind <> 'do_not_trade'", "only do_not_trade holds for all, *"),
        _bad("DATE", "until", "until < date", "it is before the day from which the restriction holds"),
    ),
}  # fmt: skip


def _summed(aside: pa.Table) -> Iterator[Finding]:
    """One QUAR finding a code, told by its first row."""
    first: dict[str, dict[str, object]] = {}
    count: dict[str, int] = {}
    who: dict[str, dict[str, None]] = {}
    for row in aside.to_pylist():
        first.setdefault(row["code"], row)
        count[row["code"]] = count.get(row["code"], 0) + 1
        who.setdefault(row["code"], {})[row["account"] or "no account"] = None
    for code, row in sorted(first.items()):
        of = ", ".join(list(who[code])[:10])
        said = f"{how_many(count[code], 'row')} of {of} set aside; line {row['line']}: {row['reason']}"
        yield Finding(code, "QUAR", said, count[code], row["symbol"], row["date"], row["line"])  # type: ignore[arg-type]
