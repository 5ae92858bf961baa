"""A desk whose accounts are rows: two models over the invented symbols of `small_desk`, files in its inbox."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import small_desk
from bench import STAMP, copied, ingest, new_warehouse, price_rows, staying_open

from resources.accounts.ingest import AccountInbox
from resources.logs.storing import Ingested
from resources.packs.packs import Pack, cut_pack
from resources.screening.pack_checks import CheckLimits
from resources.settings.configuration import load_configuration
from resources.store.warehouse import Warehouse

TODAY = date(2024, 3, 1)
DAYS = small_desk.sessions()[-60:]
MODELS = {
    "models/growth.yaml": """
name: growth
universe: [AAA, BBB, CCC, DDD]
policy: {method: min_volatility, max_single_position_pct: 40, risk_free_rate: 0.02, lookback_days: 40}
""",
    "models/taxed.yaml": """
name: taxed
universe: [AAA, BBB, CCC]
policy:
  {method: min_volatility, risk_free_rate: 0.02, lookback_days: 40, tax: {short_rate_pct: 40, long_rate_pct: 20}}
""",
}
ACCOUNTS = "account,name,model,base_currency,cash_buffer,tax_status,valid_from\n"


def make_desk(folder: Path, files: Mapping[str, str], models: Mapping[str, str] = MODELS) -> Warehouse:
    """Configuration, prices on record, and the account files, not yet read."""
    for name, text in {**small_desk.FILES, **models}.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    deliver(folder, files)
    return copied(_priced, folder / "home", staying_open)


def _priced(home: Path) -> None:
    with new_warehouse(home, staying_open).write(STAMP) as tx:
        ingest(tx, "prices", price_rows(days=DAYS, symbols=small_desk.SYMBOLS))


def deliver(folder: Path, files: Mapping[str, str]) -> None:
    """Files into the inbox."""
    (folder / "inbox").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "inbox" / name).write_text(text, encoding="utf-8")


def take(folder: Path, warehouse: Warehouse, today: date = TODAY) -> list[Ingested]:
    """What an ingest of that day makes of the account files."""
    inbox = AccountInbox(warehouse, load_configuration(folder / "config"), STAMP, today)
    return inbox.take(lambda _: None)


def cut(warehouse: Warehouse, as_of: date = DAYS[-1]) -> Pack:
    """The pack of a date."""
    with warehouse.write(STAMP) as tx:
        return cut_pack(tx, as_of, ["feed"], DAYS, CheckLimits()).pack
