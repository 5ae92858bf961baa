"""What is asked of prices and packs: a table of one Dagster check, for each check of its own costs a run 30 ms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from assets.shared.materialized import preview
from resources.screening.pack_checks import CheckLimits
from resources.settings.sources import Limits

COLUMNS = ("severity", "code", "symbol", "date", "message")
SEVERITIES = ("FAIL", "QUAR", "WARN", "INFO")
ROWS = 60


@dataclass(frozen=True)
class DataCheck:
    """One question asked of the data.

    codes       what it finds, of docs/reference/data-quality.md
    thresholds  names of the settings that it follows
    """

    name: str
    asks: str
    codes: tuple[str, ...]
    thresholds: tuple[str, ...] = ()


OF_PRICES = (
    DataCheck(
        "values", "Every row has a symbol and possible numbers.",
        ("BAD_SYMBOL", "MISSING_CLOSE", "NOT_FINITE", "NON_POSITIVE", "BAD_DIVIDEND", "BAD_SPLIT", "BAD_VOLUME",
         "HIGH_LOW"),
    ),
    DataCheck("told_once", "No symbol and day is told twice.",
              ("DUPLICATE_CONFLICT", "DUPLICATE_ROUNDED", "DUPLICATE_SAME", "DUPLICATE_VOLUME")),
    DataCheck(
        "calendar", "Every session of the exchange has its row, and no other day has one.",
        ("FUTURE_DATE", "NOT_A_SESSION", "MISSING_SESSION", "NOT_DELIVERED", "CALENDAR_ENDS"),
    ),
    DataCheck("jumps", "No move is beyond belief, by itself or against the market.",
              ("JUMP_75", "JUMP_BAND", "RELEASED", "WITHDRAWN", "JUDGED_ON_RECORD"), ("jump", "band")),
    DataCheck("bad_prints", "No close is undone, or made up for, by the next, or repeated for days.",
              ("REVERSAL", "STALE_PRINT", "STALE_5"), ("reversal", "stale_sessions")),
    DataCheck("splits", "Every split is explained, and the price answers it.",
              ("SPLIT_UNEXPLAINED", "SPLIT_DOUBTED", "SPLIT_FROM_ACTION", "SPLIT_FROM_ADJUSTED", "SPLIT_CONTRADICTED",
               "SPLIT_TOLD_TWICE", "CARRIED")),
    DataCheck("dividends", "The price answers every dividend.",
              ("DIVIDEND_DOUBTED", "DIVIDEND_CONTRADICTED", "DIVIDEND_FROM_ACTION", "DIVIDEND_FROM_ADJUSTED")),
    DataCheck("adjusted_closes", "Adjusted closes tell every dividend and split.",
              ("ADJ_INCONSISTENT", "ACTION_UNKNOWN"), ("adjustment",)),
    DataCheck("tickers", "No symbol passed to another company.", ("TICKER_REUSE", "RENAMED", "SYMBOL_FROM_NAME"),
              ("reuse_sessions",)),
)  # fmt: skip
OF_PACK = (
    DataCheck("coverage", "The symbols of the pack before are priced again.", ("NO_PRICES", "COVERAGE"), ("coverage",)),
    DataCheck("freshness", "Prices are of the last sessions.", ("STALE_PACK", "LATE_PRICES", "STALE_SYMBOL"),
              ("stale_sessions", "symbol_stale_sessions")),
    DataCheck("delivered", "All that was delivered is read and believed.", ("SET_ASIDE", "FILE_REFUSED")),
    DataCheck("newest_closes", "No newest close is repeated for days, or undoes a bad print.", ("STALE_5", "REVERSAL")),
    DataCheck("sources_agree", "Sources tell the same close of the same symbol and day, and none has stopped.",
              ("SOURCES_DISAGREE", "SOURCE_STOPPED"), ("source_gap",)),
    DataCheck("rates", "Rates are recent; rates, caps and currencies agree with what they were and are by definition.",
              ("STALE_RATE", "RATE_DOUBTED", "RATE_UNITS", "UNIT_RATE", "CAP_DOUBTED", "STALE_CAP",
               "CURRENCY_CHANGED", "CURRENCY_MISMATCH"), ("rate_days", "fx_days")),
)  # fmt: skip


def answers(
    checks: Sequence[DataCheck], found: Sequence[Mapping[Any, Any]], limits: CheckLimits | Limits
) -> dict[str, dg.TableMetadataValue]:
    """Metadata of a check: each question with how often it failed and its thresholds, and the rows behind it."""
    table = []
    for check in checks:
        rows = [row for row in found if row["code"] in check.codes]
        severities = {row["severity"] for row in rows}
        table.append(
            {
                "check": check.name,
                "result": next((name for name in SEVERITIES if name in severities), "passed"),
                "found": len(rows),
                "asks": check.asks,
                "thresholds": ", ".join(f"{name} {getattr(limits, name):g}" for name in check.thresholds),
            }
        )
    rows = sorted(found, key=lambda row: SEVERITIES.index(row["severity"]))
    return {
        "checks": preview(pd.DataFrame(table)),
        "rows": preview(pd.DataFrame(rows, columns=list(COLUMNS)), ROWS),
    }
