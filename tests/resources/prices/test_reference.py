"""Reference data from CSV files, each line right or the file refused."""

from datetime import date
from pathlib import Path

import pytest

from optimizer import DataError
from optimizer.model.actions.action_kinds import KINDS
from resources.ledger.tables import LOGS
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.reference import TABLES, ReferenceFolder, read_reference
from resources.prices.source import Delivery, FileRejected

CONFIG = Path(__file__).parents[3] / "config"


def codes(log: str, text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(FileRejected) as caught:
        read_reference(text.encode(), f"{log}.csv", log, TABLES[log])
    return [(finding.code, finding.line) for finding in caught.value.findings]


def test_every_table_has_the_columns_of_its_log() -> None:
    for log, table in TABLES.items():
        assert set(table.types) == set(LOGS[log].columns) - {"source"}


def test_reference_data_among_prices_are_told_where_they_belong(tmp_path: Path) -> None:
    """`there is no close; name it` was told of a table of sectors; prices may have any name."""
    for log, table in TABLES.items():
        (tmp_path / f"{log}.csv").write_text(
            ",".join(table.types) + "\n" + "," * (len(table.types) - 1) + "\n"
        )
    (tmp_path / "ratings.csv").write_text("symbol,date,close\nA,2024-01-02,5\n")
    *refused, prices = sorted(
        FolderSource("inbox", tmp_path, "*", Reading("inbox", "USD")).deliveries(
            None, None, lambda key: False
        ),
        key=lambda found: isinstance(found, Delivery),
    )
    assert isinstance(prices, Delivery)
    assert prices.payload_name == "ratings.csv"
    # Characteristics of a source's folder are read there.
    assert {one.name for one in refused if isinstance(one, FileRejected)} == {
        f"{log}.csv" for log in TABLES if log not in ("ratings", "characteristics")
    }
    assert all("REFERENCE_FILE" in str(one) and "reference_folder" in str(one) for one in refused)


def test_the_files_of_the_default_configuration() -> None:
    (securities,) = ReferenceFolder(CONFIG / "reference").deliveries(None, None, lambda key: False)
    assert isinstance(securities, Delivery)
    rows = securities.rows.to_pylist()
    assert len(rows) == 26
    assert sum(row["kind"] == "stock" and row["sector"] is not None for row in rows) == 20
    assert not any(row["simulated"] for row in rows)
    keys = {securities.key}
    assert list(ReferenceFolder(CONFIG / "reference").deliveries(None, None, keys.__contains__)) == []


def test_rates_are_read_with_their_dates() -> None:
    text = "base,quote,date,rate\nUSD,CAD,2025-10-24,1.40123456789\n"
    assert read_reference(text.encode(), "fx_rates.csv", "fx_rates", TABLES["fx_rates"]).to_pylist() == [
        {"base": "USD", "quote": "CAD", "date": date(2025, 10, 24), "rate": 1.4012346}
    ]


def test_optional_columns_may_be_absent_and_empty_text_is_null() -> None:
    text = "symbol,date,kind,value,note\nA,2024-01-02,split,2,\n"
    (row,) = read_reference(
        text.encode(), "x.csv", "corporate_actions", TABLES["corporate_actions"]
    ).to_pylist()
    stated = {"symbol": "A", "date": date(2024, 1, 2), "kind": "split", "value": 2.0}
    assert row == dict.fromkeys(TABLES["corporate_actions"].types) | stated


@pytest.mark.parametrize(
    ("log", "text", "expected"),
    [
        ("ratings", "symbol,date\nA,2024-01-02\n", [("MISSING_COLUMN", 1)]),
        ("ratings", "symbol,date,rating,mood\nA,2024-01-02,1,1\n", [("EXTRA_COLUMN", 1)]),
        ("ratings", "symbol,date,rating,rating\nA,2024-01-02,1,1\n", [("DUPLICATE_COLUMN", 1)]),
        ("ratings", "symbol,date,rating\nA,2024-01-02,good\n", [("BAD_NUMBER", 2)]),
        ("ratings", "symbol,date,rating\nA,2024-01-02,\n", [("MISSING_VALUE", 2)]),
        ("corporate_actions", "symbol,date,kind\nA,2024-01-02,split\n", [("MISSING_VALUE", 2)]),
        (
            "corporate_actions",
            "symbol,date,kind,value\nA,2024-01-02,delisting,\nB,2024-01-02,delisting,0\nC,2024-01-02,split,0\n",
            [("MISSING_VALUE", 2), ("BAD_ACTION", 4)],
        ),
        (
            "corporate_actions",
            "symbol,date,kind,value,new_symbol,cash\nA,2024-01-02,spinoff,1,B,\nA,2024-01-03,merger,,,\n"
            "A,2024-01-04,rename,,b,\nA,2024-01-05,split,2,,1\nA,2024-01-06,merger,,,5\n",
            [("BAD_SYMBOL", 4), ("UNKNOWN_KIND", 2), ("MISSING_VALUE", 3), ("BAD_ACTION", 5)],
        ),
        ("market_caps", "symbol,date,market_cap,currency\naapl,2024-01-02,1,USD\n", [("BAD_SYMBOL", 2)]),
        (
            "market_caps",
            "symbol,date,market_cap,currency\nA,2024-01-02,1,usd\nB,2024-01-02,1,ZAr\nC,2024-01-02,1,USDT\n",
            [("BAD_CURRENCY", 2)],
        ),
        (
            "fx_rates",
            "base,quote,date,rate\nUSD,Eur,2024-01-02,1\nGBP ,KWF,2024-01-02,1\n",
            [("BAD_CURRENCY", 3), ("BAD_CURRENCY", 2)],
        ),
        ("ratings", "symbol,date,rating\n,2024-01-02,1\n", [("MISSING_VALUE", 2)]),
        ("ratings", "symbol,date,rating\nA,02.01.2024,1\n", [("BAD_DATE", 2)]),
        ("ratings", "symbol,date,rating\nA,2024-01-02,1\nA,2024-01-02,2\n", [("DUPLICATE_CONFLICT", 3)]),
        ("fx_rates", "base,quote,date,rate\nUSD,CAD,2024-01-02,0\n", [("BAD_NUMBER", 2)]),
        ("risk_free_rates", "currency,date,rate\nUSD,2024-01-02,5.25\n", [("OTHER_UNITS", 2)]),
        ("fx_rates", "base,quote,date,rate\nUSD,CAD,2024-01-02,inf\n", [("BAD_NUMBER", 2)]),
        ("securities", "symbol,date,currency,simulated\nA,2024-01-02,USD,yes\n", [("BAD_VALUE", 2)]),
        (
            "macro_series",
            "series,date,known_at,value\nUNRATE,2024-01-31,2024-01-30,4\nUNRATE,2024-02-29,2024-03-08,4\n",
            [("KNOWN_TOO_EARLY", 2)],
        ),
    ],
)
def test_a_bad_file_is_refused_with_code_and_line(
    log: str, text: str, expected: list[tuple[str, int]]
) -> None:
    assert codes(log, text) == expected


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("broken\n")
    (tmp_path / "risk_free_rates.csv").write_text(
        "currency,date,rate,note\nUSD,2024-01-02,-0.001,below zero\n"
    )
    refused, good = ReferenceFolder(tmp_path).deliveries(None, None, lambda key: False)
    assert isinstance(refused, FileRejected)
    assert isinstance(good, Delivery)
    assert good.log == "risk_free_rates"


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sources\.yaml"):
        list(ReferenceFolder(tmp_path / "nowhere").deliveries(None, None, lambda key: False))


def test_the_recipe_shows_every_kind_and_each_line_is_right() -> None:
    page = (CONFIG.parent / "docs/how-to/corporate-actions.md").read_text("utf-8")
    example = page.partition("```csv\n")[2].partition("```")[0]
    rows = read_reference(
        example.encode(), "x.csv", "corporate_actions", TABLES["corporate_actions"]
    ).to_pylist()
    assert {row["kind"] for row in rows} == set(KINDS)
    table = {
        word for line in page.splitlines() if line.startswith("| `") for word in line.split("|")[1].split("`")
    }
    assert set(KINDS) <= table


def test_a_file_that_nobody_reads_and_one_that_is_damaged_are_refused_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "corporate_action.csv").write_text("symbol,date,kind,value\nA,2024-01-02,split,2\n")
    (tmp_path / "ratings.csv").write_bytes(b"symbol,date,rating\nA,2024-01-02,\x005\n")
    (tmp_path / "fx_rates.csv").write_text("base,quote,date,rate\nUSD,CAD,2025-10-24,1.4\n")
    (tmp_path / ".notes").write_text("hidden")
    found = list(ReferenceFolder(tmp_path).deliveries(None, None, lambda key: False))
    refused = {one.name: (one.log, one.findings[0].code) for one in found if isinstance(one, FileRejected)}
    assert refused == {
        "corporate_action.csv": ("securities", "UNKNOWN_FILE"),
        "ratings.csv": ("ratings", "NUL_BYTE"),
    }
    assert [one.log for one in found if isinstance(one, Delivery)] == ["fx_rates"]
