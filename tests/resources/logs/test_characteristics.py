"""Characteristics that cannot be believed are set aside with a reason; the rest of the file is taken."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from resources.logs import characteristics
from resources.logs.characteristics import screened
from resources.prices.files import Reading
from resources.prices.folder import FolderSource
from resources.prices.reference import TABLES, ReferenceFolder, read_reference
from resources.prices.source import Delivery, FileRejected
from resources.store.warehouse import Warehouse

TODAY = date(2024, 3, 1)
HEADER = "symbol,date,name,value,known_at\n"


def lines(
    values: list[float], name: str = "value", day: str = "2024-01-31", known: str = "2024-02-10"
) -> str:
    return "".join(f"N{i},{day},{name},{value},{known}\n" for i, value in enumerate(values))


def delivered(text: str, ending: str = "csv") -> Delivery:
    name, data = f"characteristics.{ending}", (HEADER + text).encode()
    if ending == "parquet":
        data = as_parquet(data)
    rows = read_reference(data, name, "characteristics", TABLES["characteristics"])
    first = {"csv": 2, "parquet": 1}[ending]
    return Delivery("reference", "key", name, "sha", Path("x"), rows, log="characteristics", first_line=first)


def as_parquet(data: bytes, **others: pa.Array) -> bytes:
    """The same file as a research platform writes it; `others` stand in place of its columns."""
    found = pc.read_csv(pa.BufferReader(data))
    for column, values in others.items():
        found = found.set_column(found.column_names.index(column), column, values)
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("log"))


def aside(warehouse: Warehouse, text: str) -> tuple[list[tuple[int, str]], int, Delivery]:
    with warehouse.live() as con:
        found = screened(con, delivered(text), TODAY)
    rows = found.quarantined.to_pylist()
    return [(row["line"], row["code"]) for row in rows], found.rows.num_rows, found


def test_what_is_known_after_today_or_before_its_day(empty: Warehouse) -> None:
    text = lines([1.0], known="2024-03-02") + lines([1.0], "roe", known="2024-01-30") + lines([1.0], "yield")
    found, kept, delivery = aside(empty, text)
    assert found == [(2, "FUTURE_KNOWN_AT"), (3, "KNOWN_TOO_EARLY")]
    assert kept == 1
    assert "2024-03-02" in delivery.quarantined["reason"][0].as_py()


def test_rows_told_twice(empty: Warehouse) -> None:
    found, kept, delivery = aside(
        empty, lines([1.0]) + lines([2.0]) + lines([3.0], "roe") + lines([3.0], "roe")
    )
    assert found == [(2, "DUPLICATE_CONFLICT"), (3, "DUPLICATE_CONFLICT")]
    assert kept == 1
    assert [said.code for said in delivery.warnings] == ["DUPLICATE_SAME", "DUPLICATE_CONFLICT"]
    assert set(delivery.quarantined["reason"].to_pylist()) == {"lines 2, 3 tell different values of one fact"}


def test_parquet_is_screened_like_csv(empty: Warehouse) -> None:
    values = [0.5, 0.8, 1.1, 0.9, 0.4, 1.5, 0.7, 1.2, 60.0]
    text = (
        lines(values) + lines([1.0], "roe", known="2024-03-02") + lines([1.0], "yield", known="2024-01-30")
        + lines([2.0], "growth") + lines([3.0], "growth") + lines([4.0], "quality")
    )  # fmt: skip
    sides = {}
    for ending, first in (("csv", 2), ("parquet", 1)):
        with empty.live() as con:
            found = screened(con, delivered(text, ending), TODAY)
        aside = [(row["line"] - first, row["code"]) for row in found.quarantined.to_pylist()]
        sides[ending] = (aside, found.rows.to_pylist())
    assert sides["csv"] == sides["parquet"]
    assert sorted(code for _, code in sides["csv"][0]) == [
        "DUPLICATE_CONFLICT", "DUPLICATE_CONFLICT", "FUTURE_KNOWN_AT", "KNOWN_TOO_EARLY", "OTHER_UNITS",
    ]  # fmt: skip
    assert len(sides["csv"][1]) == 9


@pytest.mark.parametrize(
    ("others", "code", "said"),
    [
        ({"symbol": pa.array([1, 2])}, "BAD_TYPE", "symbol is int64; it must be text"),
        ({"value": pa.array(["1", "2"])}, "BAD_TYPE", "value is string; it must be a number"),
        ({"known_at": pa.array(["2024-02-10"] * 2)}, "BAD_TYPE", "known_at is string; it must be a date"),
    ],
)
def test_a_parquet_file_that_cannot_be_read_says_why(
    others: dict[str, pa.Array], code: str, said: str
) -> None:
    data = as_parquet((HEADER + lines([0.5, 0.8])).encode(), **others)
    with pytest.raises(FileRejected) as refused:
        read_reference(data, "characteristics.parquet", "characteristics", TABLES["characteristics"])
    (finding,) = refused.value.findings
    assert finding.code == code and said in finding.message


@pytest.mark.parametrize(
    ("others", "code", "said"),
    [
        ({"name": pa.array(["value", None])}, "MISSING_VALUE", "name is empty"),
        ({"value": pa.array([0.5, None])}, "MISSING_VALUE", "value is empty"),
        ({"value": pa.array([0.5, float("nan")])}, "MISSING_VALUE", "value is empty"),
        ({"value": pa.array([0.5, float("-inf")])}, "BAD_NUMBER", "value is -inf"),
        ({"symbol": pa.array(["N0", "n2"])}, "BAD_SYMBOL", "did you mean N2"),
        ({"name": pa.array(["value", "momentum"])}, "RESERVED_NAME", "choose another name"),
        ({"name": pa.array(["value", "sector:Energy"])}, "RESERVED_NAME", "choose another name"),
    ],
)
def test_a_row_that_is_no_fact_is_set_aside_and_the_others_are_taken(
    empty: Warehouse, others: dict[str, pa.Array], code: str, said: str
) -> None:
    data = as_parquet((HEADER + lines([0.5, 0.8])).encode(), **others)
    rows = read_reference(data, "characteristics.parquet", "characteristics", TABLES["characteristics"])
    name = "characteristics.parquet"
    delivery = Delivery("reference", "key", name, "sha", Path("x"), rows, log="characteristics", first_line=1)
    with empty.live() as con:
        found = screened(con, delivery, TODAY)
    (aside,) = found.quarantined.to_pylist()
    assert (aside["line"], aside["code"]) == (2, code) and said in aside["reason"]
    assert found.rows.to_pylist()[0]["symbol"] == "N0" and found.rows.num_rows == 1


def test_csv_sets_aside_the_same(empty: Warehouse) -> None:
    text = lines([0.5]) + "N1,2024-01-31,value,,2024-02-10\n" + "N2,2024-01-31,size,0.8,2024-02-10\n"
    assert aside(empty, text)[:2] == ([(3, "MISSING_VALUE"), (4, "RESERVED_NAME")], 1)


def test_a_folder_of_both_brings_both(tmp_path: Path) -> None:
    text = (HEADER + lines([0.5, 0.8])).encode()
    (tmp_path / "characteristics.csv").write_bytes(text)
    (tmp_path / "characteristics.parquet").write_bytes(as_parquet(text))
    (tmp_path / "ratings.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "scores.parquet").write_bytes(as_parquet(text))
    brought = list(ReferenceFolder(tmp_path).deliveries(None, None, lambda key: False))
    taken = [one for one in brought if isinstance(one, Delivery)]
    assert [(one.payload_name, one.rows.num_rows, one.first_line) for one in taken] == [
        ("characteristics.csv", 2, 2), ("characteristics.parquet", 2, 1),
    ]  # fmt: skip
    refused = [one for one in brought if isinstance(one, FileRejected)]
    assert [(one.name, one.findings[0].code) for one in refused] == [
        ("scores.parquet", "UNKNOWN_FILE"), ("ratings.parquet", "DAMAGED"),
    ]  # fmt: skip


def test_they_may_lie_beside_prices_a_file_a_delivery(tmp_path: Path) -> None:
    for name in ("characteristics_20240229.parquet", "characteristics-2024-01-31.parquet"):
        (tmp_path / name).write_bytes(as_parquet((HEADER + lines([0.5])).encode()))
    for name in ("history.csv", "characteristicsofall.csv", "market_caps.csv", "characteristics.csv.part"):
        (tmp_path / name).write_text("symbol,date,close\n")
    brought = list(
        ReferenceFolder(tmp_path, logs=("characteristics",)).deliveries(None, None, lambda key: False)
    )
    assert [one.payload_name for one in brought if isinstance(one, Delivery)] == [
        "characteristics-2024-01-31.parquet", "characteristics_20240229.parquet",
    ]  # fmt: skip
    files = FolderSource("inbox", tmp_path, "**/*", Reading("inbox", "USD"))._files()
    assert sorted(file.name for file in files) == [
        "characteristicsofall.csv",
        "history.csv",
        "market_caps.csv",
    ]


@pytest.mark.parametrize("factor", [100.0, 0.01, 1000.0, -100.0])
def test_other_units_than_the_cross_section(empty: Warehouse, factor: float) -> None:
    values = [0.5, 0.8, 1.1, 0.9, 0.4, 1.5, 0.7, 1.2, 0.6 * factor]
    found, kept, _ = aside(empty, lines(values))
    assert found == [(10, "OTHER_UNITS")]
    assert kept == 8


def test_someone_who_has_looked_releases_a_row(empty: Warehouse) -> None:
    text = lines([0.5, 0.8, 1.1, 0.9, 0.4, 1.5, 0.7, 1.2, 60.0])
    with empty.live() as con:
        found = screened(con, delivered(text), TODAY, {("N8", date(2024, 1, 31), "OTHER_UNITS")})
    assert found.quarantined.num_rows == 0 and found.rows.num_rows == 9


@pytest.mark.parametrize("values", [[0.5, 50.0], [0.0] * 9, [10.0 ** (i / 2) for i in range(12)]])
def test_few_names_zeros_and_true_spread_are_kept(empty: Warehouse, values: list[float]) -> None:
    assert aside(empty, lines(values))[:2] == ([], len(values))


def test_a_whole_file_in_other_units_is_judged_by_what_is_on_record(tmp_path: Path) -> None:
    from bench import STAMP, ingest

    warehouse = Warehouse(tmp_path)
    values = [0.5, 0.8, 1.1, 0.9, 0.4, 1.5, 0.7, 1.2, 0.6]
    first = delivered(lines(values)).rows
    with warehouse.write(STAMP) as tx:
        ingest(tx, "characteristics", first.append_column("source", pa.array(["reference"] * len(values))))
    later = lines([100 * value for value in values], day="2024-02-20", known="2024-02-25")
    found, kept, _ = aside(warehouse, later)
    assert len(found) == 9 and kept == 0


def test_the_desk_is_warned_of_columns_that_are_odd_as_a_whole(tmp_path: Path) -> None:
    from bench import STAMP, ingest

    warehouse = Warehouse(tmp_path)
    values = [0.5, -0.8, 1.1, 0.9, -0.4, 1.5, 0.7, 1.2, 0.6]
    first = delivered(lines(values) + lines(values, "value_1")).rows
    with warehouse.write(STAMP) as tx:
        ingest(tx, "characteristics", first.append_column("source", pa.array(["reference"] * len(first))))

    def codes(text: str) -> list[tuple[str, bool]]:
        found, kept, delivery = aside(warehouse, text)
        assert (found, kept) == ([], text.count("\n"))  # a warning takes nothing away
        return [(said.code, "did you mean value" in said.message) for said in delivery.warnings]

    later = {"day": "2024-02-20", "known": "2024-02-25"}
    assert codes(lines([1.1 * value for value in values], **later)) == []
    assert codes(lines([-1.1 * value for value in values], **later)) == [("SIGNS_TURNED", False)]
    assert codes(lines([2.0 - value for value in values], **later)) == [("SIGNS_TURNED", False)]
    assert codes(lines([0.7] * 9, **later)) == [("NO_SPREAD", False)]
    assert codes(lines(values, "Value", **later)) == [("NAME_NEAR", True)]
    assert codes(lines(values, "vlaue", **later)) == [("NAME_NEAR", True)]
    assert codes(lines(values, "growth", **later) + lines(values, "value_3", **later)) == []


def test_of_thousands_of_new_names_a_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is compared with each before it: minutes for a megabyte of them."""
    rows = [
        {"name": name, "symbol": "A", "date": date(2024, 1, 2), "value": 1.0}
        for name in ("sizea", "sizeb", "sizec")
    ]
    assert [one.code for one in characteristics.column_warnings(rows, {})] == ["NAME_NEAR", "NAME_NEAR"]
    monkeypatch.setattr(characteristics, "MOST_ALIKE", 0)
    assert [one.code for one in characteristics.column_warnings(rows, {})] == ["NAME_NEAR"]
