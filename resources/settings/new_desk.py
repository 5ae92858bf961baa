"""The files of a new desk: commented YAML that validates, made from what its owner said."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import optimizer
from optimizer import PolicyError
from resources.brokers.holdings import quoted
from resources.settings.configuration import load_configuration
from resources.settings.sources import EmbeddedSettings, embedded_source

EXAMPLE, YAHOO, OWN = "example", "yahoo", "own"
SPREAD = 1.5  # the largest weight of a new book, as a multiple of equal weights


@dataclass(frozen=True)
class NewBook:
    """A portfolio to begin with.

    block  its `holdings:` as YAML lines;  first: their date, where no pack can be older
    rate   risk-free, a fraction per year; None where the packs have one
    short  symbols of which it owes shares
    """

    id: UUID
    name: str
    mode: str
    symbols: Sequence[str]
    block: str
    rate: Decimal | None
    first: date | None = None
    currency: str = "USD"
    short: Sequence[str] = ()

    def text(self) -> str:
        """The portfolio's file."""
        rate = [] if self.rate is None else [RATE.format(rate=self.rate)]
        both = [f"  long_only: false            # {', '.join(self.short)} held short"] if self.short else []
        top = min(100, round(100 * SPREAD / max(len(self.symbols), 1)) + 10)
        lines = [
            f"# {self.name}: made by packfolio init. Every key: docs/reference/configuration.md.",
            f"id: {self.id}",
            f"name: {self.name}",
            MODES[self.mode],
            f"base_currency: {self.currency}",
            f"universe: [{', '.join(map(quoted, self.symbols))}]    # what may be held; add what may be bought",
            "benchmark: equal_weight       # tracking error is against it",
            "policy:",
            "  method: mean_variance       # or min_volatility, risk_parity, max_sharpe, cvar, hrp, ...",
            *rate,
            *both,
            f"  max_single_position_pct: {top}",
            TURNOVER[self.mode],
            "  commission_per_trade: 0     # in base currency",
            "# views:                      # opinions on returns",
            "#   - {assets: [SYMBOL], type: absolute, expected_return_pct: 10, confidence: 0.5}",
            "holdings:                     # the newest dated on or before a pack counts",
        ]
        return "\n".join(lines) + "\n" + self.block


RATE = "  risk_free_rate: {rate}        # a fraction per year: set it to today's three-month bill"
MODES = {
    "live": "mode: live                    # holdings are what you import: packfolio holdings import",
    "paper": "mode: paper                   # the trades of each pack count as filled",
}
TURNOVER = {
    "live": "  max_turnover_pct: 40        # buys and sales together, of the portfolio's value",
    "paper": "  # max_turnover_pct: 40      # buys and sales together; it begins in cash: say it once invested",
}
PIPELINE = """\
# Checks of packs and the replay of policies; what is left out has its default: docs/reference/configuration.md.
{first}checks: {{coverage: 0.8}}
backtest: {{years: 5}}
"""
FIRST = "first_pack: {day}        # no pack is older: Dagster's partitions begin here\n"
LATER = "# first_pack: 2024-01-02      # no pack is older: Dagster's partitions begin here, else in 1990\n"
FUNDS = """\
# What each fund holds, for look-through; a fund that is not here is taken as one asset.
as_of: "{today}"
default_spread_bps: 50
funds: {{}}
"""
FACTS = "# reference_folder: reference   # exchange rates, currencies, sectors, corporate actions\n"
SOURCES = {
    OWN: """\
# Where prices come from: CSV or Parquet files, one a symbol or many in one.
sources:
  - name: inbox
    kind: folder
    path: {path}{basis}
    # currency: USD           # of these prices; USD where neither this nor `securities` say another
    live: false               # true once a file comes every evening: then schedule and as-of dates follow it
{facts}""",
    YAHOO: """\
# Yahoo's daily history through yfinance: for personal use under its terms.
sources:
  - name: yahoo
    kind: yahoo
    symbols: [{symbols}]
    start: {start}
    live: true                # schedule and as-of dates follow it
{facts}""",
}


def example_configuration() -> Path:
    """The configuration that Packfolio comes with: inside an installed package, beside it in a checkout."""
    root = Path(optimizer.__file__).resolve().parent.parent
    inside = root / "pipeline" / "example"
    return inside if inside.is_dir() else root / "config"


def without_example_price(symbols: Sequence[str]) -> list[str]:
    """Those of the symbols that the example's prices do not have."""
    sources = load_configuration(example_configuration()).sources.sources
    settings = next(one for one in sources if isinstance(one, EmbeddedSettings))
    known = embedded_source(settings).symbols()
    return [symbol for symbol in symbols if symbol not in known]


def sources_text(kind: str, place: str, basis: str | None, symbols: Sequence[str], start: date) -> str:
    """`sources.yaml`; `place` is the folder of one's own files, relative to the configuration or absolute."""
    stated = (
        f"\n    basis: {basis}"
        if basis
        else "\n    # basis: as_traded       # or split_adjusted, total_return"
    )
    return SOURCES[kind].format(
        path=f'"{place}"', basis=stated, symbols=", ".join(map(quoted, symbols)), start=start,
        facts=FACTS,
    )  # fmt: skip


def example_from(first: date) -> str:
    """`pipeline.yaml` of the example for a book that begins on another day than the example's own."""
    text = (example_configuration() / "pipeline.yaml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^first_pack: .*\n", FIRST.format(day=first), text)


def make_desk(folder: Path, files: Mapping[str, str], *, example: bool = False) -> Path:
    """Write a desk's configuration whole or not at all; gives its folder.

    files    name under `config/` -> text
    example  whether they stand beside the configuration that Packfolio comes with, whose portfolios are left out once
             there is one of the desk's own
    Raises PolicyError where there is a configuration already, or the files have a mistake.
    """
    place, half = folder / "config", folder / "config.part"
    if place.exists():
        raise PolicyError(f"{place} exists already: choose another folder; nothing was changed")
    try:
        shutil.rmtree(half, ignore_errors=True)
        if example:
            left = shutil.ignore_patterns("portfolios") if files else None
            shutil.copytree(example_configuration(), half, ignore=left)
        for name, text in files.items():
            (half / name).parent.mkdir(parents=True, exist_ok=True)
            (half / name).write_text(text, encoding="utf-8")
        _checked(half, place)
        half.replace(place)
    except OSError as error:
        raise PolicyError(f"{folder} can not be written: {error.strerror}; choose another folder") from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return place


def _checked(half: Path, place: Path) -> None:
    """Raises PolicyError for a mistake, which names the files as they would be called."""
    try:
        load_configuration(half)
    except PolicyError as error:
        raise PolicyError(f"nothing was written: {str(error).replace(str(half), str(place))}") from None


def starting_files(book: NewBook, sources: str, today: date) -> dict[str, str]:
    """The files of a desk on prices of its own."""
    first = FIRST.format(day=book.first) if book.first else LATER
    return {
        "pipeline.yaml": PIPELINE.format(first=first),
        "funds.yaml": FUNDS.format(today=f"{today:%Y-%m}"),
        "sources.yaml": sources,
        f"portfolios/{book.name}.yaml": book.text(),
    }
