"""The file rows of the bad-input matrix: what refuses a CSV or Parquet file, with code and line."""

import gzip
import io
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.prices.files import Reading, read_delivery, unknown_format
from resources.prices.source import Delivery, FileRejected

HEADER = "symbol,date,open,high,low,close,volume,dividend,split\n"
ROW = "AAPL,2024-01-02,10,11,9,10.5,100,0,1\n"


def read(data: str | bytes, name: str = "tidy.csv", **how: object) -> Delivery:
    payload = data.encode() if isinstance(data, str) else data
    return read_delivery(payload, name, "sha", "key", Reading("test", "USD", **how))  # type: ignore[arg-type]


def refusal(data: str | bytes, name: str = "tidy.csv", **how: object) -> list[tuple[str, int | None]]:
    with pytest.raises(FileRejected) as caught:
        read(data, name, **how)
    return [(finding.code, finding.line) for finding in caught.value.findings]


def rows(delivery: Delivery) -> list[dict[str, object]]:
    found: list[dict[str, object]] = delivery.rows.to_pylist()
    return found


BAD: dict[str, tuple[str | bytes, list[tuple[str, int | None]]]] = {
    "empty": (b"", [("EMPTY_FILE", None)]),
    "blank": (b" \n\n", [("EMPTY_FILE", None)]),
    "header only": (HEADER, [("NO_ROWS", 1)]),
    "nul": (HEADER + "AAPL,2024-01-02,1\0,2,1,1,1,0,1\n", [("NUL_BYTE", 2)]),
    "latin-1": ((HEADER + ROW + "SOCI\xc9,2024-01-02,1,2,1,1,1,0,1\n").encode("latin-1"), [("ENCODING", 3)]),
    "utf-16": ((HEADER + ROW).encode("utf-16"), [("ENCODING", None)]),
    "cut in a number": (HEADER + ROW + ROW.rstrip("\n"), [("TRUNCATED", 3)]),
    "cut in a line": (HEADER + ROW + "AAPL,2024-01-0", [("TRUNCATED", 3), ("COLUMN_COUNT", 3)]),
    "cell too many": (HEADER + "AAPL,2024-01-02,1,2,1,1,1,0,1,7\n", [("COLUMN_COUNT", 2)]),
    "line too long": (HEADER + "A" * 20_000 + ",2024-01-02,1,2,1,1,1,0,1\n", [("LONG_LINE", 2)]),
    "duplicate column": ("date,close,Close\n2024-01-02,1,1\n", [("DUPLICATE_COLUMN", 1)]),
    "duplicate by alias": ("date,timestamp,close\n2024-01-02,2024-01-02,1\n", [("DUPLICATE_COLUMN", 1)]),
    "column without a name": ("symbol,date,close,\nA,2024-01-02,1,\n", [("EXTRA_COLUMN", 1)]),
    "extra column": ("symbol,date,close,mood\nA,2024-01-02,1,2\n", [("EXTRA_COLUMN", 1)]),
    "no date": ("symbol,close\nA,1\n", [("MISSING_COLUMN", 1)]),
    "no close": ("symbol,date,open\nA,2024-01-02,1\n", [("MISSING_COLUMN", 1)]),
    "n/a": (HEADER + ROW + "B,2024-01-02,1,2,1,n/a,1,0,1\n", [("BAD_NUMBER", 3)]),
    "thousands": (HEADER + 'B,2024-01-02,1,2,1,"1,234.50",1,0,1\n', [("BAD_NUMBER", 2)]),
    "decimal comma": (HEADER + 'B,2024-01-02,1,2,1,"1,25",1,0,1\n', [("BAD_NUMBER", 2)]),
    "half a share": (HEADER + "B,2024-01-02,1,2,1,1,1.5,0,1\n", [("BAD_NUMBER", 2)]),
    "American date": (HEADER + "B,03/04/2024,1,2,1,1,1,0,1\n", [("BAD_DATE", 2)]),
    "no day": (HEADER + "B,2024-02-30,1,2,1,1,1,0,1\n", [("BAD_DATE", 2)]),
    "empty date": (HEADER + "B,,1,2,1,1,1,0,1\n", [("BAD_DATE", 2)]),
    "time and zone": (HEADER + "B,2024-01-02T16:00:00Z,1,2,1,1,1,0,1\n", [("TIMESTAMP", 2)]),
    "basis open": ("symbol,date,close,adj_close\nA,2024-01-02,1,1\n", [("AMBIGUOUS_BASIS", 1)]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_code_and_line(case: str) -> None:
    data, expected = BAD[case]
    assert refusal(data) == expected


def test_everything_wrong_is_reported_at_once() -> None:
    data = "symbol,date,close,mood,close\nA,03/04/2024,n/a,1,1\nB,2024-01-02,1,1\nC,2024-01-02T00:00,1,1,1"
    found = refusal(data)
    assert {"TRUNCATED", "DUPLICATE_COLUMN", "EXTRA_COLUMN", "BAD_DATE", "BAD_NUMBER", "COLUMN_COUNT"} <= {
        code for code, _ in found
    }
    assert ("TIMESTAMP", 4) in found


def test_many_faults_are_counted_not_listed() -> None:
    found = refusal(HEADER + "B,2024-01-02,1,2,1,n/a,1,0,1\n" * 200)
    assert len(found) == 51
    assert found[-1][0] == "MORE"


def test_bom_crlf_and_order_give_the_same_values() -> None:
    second = "AAPL,2024-01-03,10,11,9,10.6,100,0,1\n"
    plain = rows(read(HEADER + ROW + second))
    assert rows(read(("﻿" + HEADER + ROW + second).replace("\n", "\r\n"))) == plain
    assert sorted(rows(read(HEADER + second + ROW)), key=lambda row: str(row["date"])) == plain


@pytest.mark.parametrize("ticker", ["NA", "TRUE", "1E5", "NULL", "NaN"])
def test_tickers_that_look_like_something_else_stay_text(ticker: str) -> None:
    assert rows(read(HEADER + ROW.replace("AAPL", ticker)))[0]["symbol"] == ticker


def test_empty_and_nan_numbers_are_missing_values() -> None:
    row = rows(read(HEADER + "A,2024-01-02,,11,NaN,,100,,\n"))[0]
    assert [row[name] for name in ("open", "low", "close", "dividend", "split")] == [None] * 5


def test_columns_may_be_ignored_on_request() -> None:
    assert rows(read("symbol,date,close,mood\nA,2024-01-02,1,2\n", ignored=("Mood",)))[0]["close"] == 1


def test_gzip_is_read_and_damage_refused() -> None:
    packed = gzip.compress((HEADER + ROW).encode())
    assert rows(read(packed, "tidy.csv.gz"))[0]["close"] == 10.5
    assert refusal(packed[:-12], "tidy.csv.gz") == [("TRUNCATED", None)]
    assert refusal(b"no gzip at all", "tidy.csv.gz") == [("DAMAGED", None)]


def test_a_bomb_is_refused() -> None:
    packed = gzip.compress((HEADER + ROW * 10_000).encode())
    assert refusal(packed, "tidy.csv.gz", limit=10_000) == [("TOO_LARGE", None)]


def test_an_unknown_format_is_refused() -> None:
    assert refusal("x", "prices.xlsx") == [("UNKNOWN_FORMAT", None)]
    for name, remedy in (
        ("a.xlsx", "save the sheet as CSV"),
        ("a.ZIP", "unpack it"),
        ("a.json", "convert it"),
    ):
        assert f"; {remedy}" in unknown_format(name).message


def parquet(**columns: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


DAYS = pa.array([date(2024, 1, 2), date(2024, 1, 3)])
BAD_PARQUET = {
    "zone": (pa.array([datetime(2024, 1, 2, tzinfo=UTC)] * 2), pa.array([1.0, 2.0]), "TIMESTAMP"),
    "time of day": (pa.array([datetime(2024, 1, 2, 16, 0)] * 2), pa.array([1.0, 2.0]), "TIMESTAMP"),  # noqa: DTZ001
    "text dates": (pa.array(["2024-01-02", "2024-01-03"]), pa.array([1.0, 2.0]), "BAD_TYPE"),
    "text closes": (DAYS, pa.array(["1", "2"]), "BAD_TYPE"),
    "missing date": (pa.array([None, date(2024, 1, 3)]), pa.array([1.0, 2.0]), "BAD_DATE"),
}


@pytest.mark.parametrize("case", BAD_PARQUET)
def test_a_bad_parquet_file_is_refused(case: str) -> None:
    days, close, code = BAD_PARQUET[case]
    assert refusal(parquet(symbol=["A", "A"], date=days, close=close), "p.parquet") == [(code, None)]


def test_parquet_damage_columns_and_emptiness() -> None:
    whole = parquet(symbol=["A", "A"], date=DAYS, close=[1.0, 2.0])
    assert refusal(whole[:-20], "p.parquet") == [("DAMAGED", None)]
    assert refusal(parquet(symbol=["A"], close=[1.0]), "p.parquet") == [("MISSING_COLUMN", None)]
    assert refusal(parquet(symbol=pa.array([], pa.string()), date=DAYS[:0], close=pa.array([], pa.float64())),
                   "p.parquet") == [("NO_ROWS", None)]  # fmt: skip
    assert refusal(
        parquet(symbol=["A", "A"], date=DAYS, close=[1.0, 2.0], volume=[1.5, 2.0]), "p.parquet"
    ) == [("BAD_NUMBER", None)]


def test_parquet_types_that_lose_nothing_are_taken() -> None:
    midnight = pa.array([datetime(2024, 1, 2), datetime(2024, 1, 3)])  # noqa: DTZ001
    data = parquet(symbol=pa.array(["NA", "B"], pa.large_string()), date=midnight, close=pa.array([1, 2]))
    assert [(row["symbol"], row["date"], row["close"]) for row in rows(read(data, "p.parquet"))] == [
        ("NA", date(2024, 1, 2), 1.0),
        ("B", date(2024, 1, 3), 2.0),
    ]


def test_the_line_ends_of_an_old_mac_are_read_and_a_mixture_is_refused() -> None:
    text = HEADER + ROW
    assert rows(read(text.replace("\n", "\r"))) == rows(read(text))
    with pytest.raises(FileRejected) as refused:
        read(HEADER + ROW + ROW.replace("\n", "\r") + ROW)
    assert "LINE_ENDS" in {finding.code for finding in refused.value.findings}
