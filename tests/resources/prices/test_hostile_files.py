"""Whatever bytes are in an inbox, each file is a delivery or a refusal in words, and the good one beside it goes on."""

import gzip
import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from draws import examples
from hypothesis import given
from hypothesis import strategies as st

from resources.accounts.files import account_files, key_of, read_told
from resources.prices import parquet_file
from resources.prices.csv_file import MOST_FINDINGS
from resources.prices.files import Reading, read_delivery
from resources.prices.folder import FolderSource
from resources.prices.reference import ReferenceFolder
from resources.prices.source import Allowance, Delivery, FileRejected, refusing, shown
from resources.prices.yahoo import YahooSource

GOOD = "symbol,date,close\nAAA,2024-01-02,10\nBBB,2024-01-02,20\n"
HOW = Reading("inbox", "USD")
MB = 1 << 20


def outcome(data: bytes, name: str) -> Delivery | FileRejected:
    """What a payload gives; any other error than a refusal fails the test."""
    try:
        return read_delivery(data, name, "sha", "key", HOW)
    except FileRejected as refused:
        assert refused.findings and refused.name == name
        assert all(finding.message and finding.code for finding in refused.findings)
        assert str(refused).isprintable() and len(refused.findings) <= MOST_FINDINGS + 10
        assert len(str(refused)) < 10_000
        return refused


def codes(data: bytes, name: str) -> set[str]:
    refused = outcome(data, name)
    assert isinstance(refused, FileRejected)
    return {finding.code for finding in refused.findings}


CELLS = st.sampled_from(
    ["AAA", "2024-01-02", "10", "-1", "1e999", "nan", "", '"', '"a,b"', "=1+1", "\x1b[31m", "<b>", "\u202eA", "0x1"]
) | st.text(max_size=8)  # fmt: skip
HEADERS = st.lists(
    st.sampled_from(["symbol", "date", "close", "split", "volume", "adj_close", "open", "Stock Splits"]), max_size=6
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    header = draw(HEADERS | st.just(["symbol", "date", "close"]) | st.lists(CELLS, max_size=4))
    rows = draw(
        st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)) | st.lists(CELLS, max_size=5))
    )
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
    text = end.join(",".join(row) for row in [header, *rows]) + draw(st.sampled_from([end, ""]))
    return text.encode("utf-8", "surrogatepass")


def flipped(data: bytes, places: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in places:
        changed[place % len(changed)] = value
    return bytes(changed)


@examples(20)
@given(data=tables() | st.binary(max_size=200), packed=st.booleans())
def test_any_csv_is_read_or_refused(data: bytes, packed: bool) -> None:
    outcome(gzip.compress(data) if packed else data, "a.csv.gz" if packed else "a.csv")


@examples(13)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 60),
)
def test_a_damaged_gzip_is_read_or_refused(places: list[tuple[int, int]], cut: int) -> None:
    packed = gzip.compress(GOOD.encode())
    outcome(flipped(packed, places)[: len(packed) - cut], "a.csv.gz")


def parquet(table: pa.Table, **how: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


PLAIN = parquet(
    pa.table({"symbol": ["AAA", "BBB"], "date": pa.array([19724, 19725], pa.date32()), "close": [1.0, 2.0]})
)
TYPES = st.sampled_from(
    [pa.string(), pa.binary(), pa.float64(), pa.float16(), pa.int64(), pa.uint64(), pa.bool_(), pa.date32(),
     pa.date64(), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.time64("us"), pa.decimal128(38, 10),
     pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.dictionary(pa.int8(), pa.string())]
)  # fmt: skip


@st.composite
def parquet_files(draw: st.DrawFn) -> bytes:
    names = draw(
        st.lists(st.sampled_from(["symbol", "ticker", "date", "close", "volume", "split", "x"]), unique=True)
    )
    rows = draw(st.integers(0, 3))
    columns = {}
    for name in names:
        kind = draw(TYPES)
        numbers = pa.array(
            draw(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=rows, max_size=rows)), pa.int64()
        )
        try:
            columns[name] = numbers.cast(kind, safe=False) if draw(st.booleans()) else pa.nulls(rows, kind)
        except pa.ArrowException:
            columns[name] = pa.nulls(rows, kind)
    return parquet(pa.table(columns)) if columns else b"PAR1"


@examples(15)
@given(parquet_files())
def test_any_parquet_is_read_or_refused(data: bytes) -> None:
    outcome(data, "a.parquet")


@examples(20)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_a_damaged_parquet_is_read_or_refused(places: list[tuple[int, int]], cut: int) -> None:
    outcome(flipped(PLAIN, places)[: len(PLAIN) - cut], "a.parquet")


def test_a_damaged_list_of_columns_does_not_end_the_process() -> None:
    """To ask such a file for the size of a column aborted the interpreter."""
    outcome(flipped(PLAIN, [(102, 66), (601, 72), (123, 228), (61, 123)]), "a.parquet")


def test_dates_of_no_calendar_are_refused() -> None:
    for day in (-(2**31), 2**31 - 1):
        column = pa.array([day], pa.int32()).view(pa.date32())
        assert codes(parquet(pa.table({"symbol": ["A"], "date": column, "close": [1.0]})), "a.parquet") == {
            "BAD_DATE"
        }


def constant(rows: int) -> pa.Table:
    symbols = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["AAA"]))
    days = pa.array(np.full(rows, 19724, np.int32)).view(pa.date32())
    return pa.table({"symbol": symbols, "date": days, "close": np.ones(rows)})


BOMBS = {
    "zeros.csv.gz": (lambda: gzip.compress(bytes(64 * MB), 1), "TOO_LARGE"),
    "lines.csv.gz": (lambda: gzip.compress(b"symbol,date,close\n" + b"A,2024-01-02,1\n" * MB, 1), "TOO_MANY_ROWS"),
    "empty_members.csv.gz": (lambda: gzip.compress(b"", 1) * 20_000, "EMPTY_FILE"),
    "columns.csv": (lambda: (",".join(f"c{n}" for n in range(1_800)) + "\n1\n").encode(), "TOO_MANY_COLUMNS"),
    "faults.csv": (lambda: b"symbol,date,close\n" + b"A,2024-01-02,x\n" * 60_000, "BAD_NUMBER"),
    "rows.parquet": (lambda: parquet(constant(4 * MB), compression="zstd"), "TOO_MANY_ROWS"),
    "texts.parquet": (
        lambda: parquet(
            pa.table({"ticker": ["A" * MB + str(n) for n in range(40)], "date": constant(40)["date"],
                      "close": np.ones(40)}),
            compression="zstd",
        ),
        "TOO_LARGE",
    ),
    "long_text.parquet": (lambda: parquet(repeated("A" * MB, 100_000)), "LONG_TEXT"),  # 100 GB in 4,000 bytes
    "same_text.parquet": (lambda: parquet(repeated("A" * 9_000, 90_000)), "TOO_LARGE"),
    "name.parquet": (lambda: parquet(pa.table({"c" * MB: [1.0]})), "EXTRA_COLUMN"),
}  # fmt: skip


def repeated(text: str, rows: int) -> pa.Table:
    """A text that stands once in the file, and in every row."""
    symbols = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
    return constant(rows).set_column(0, "symbol", symbols)


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_unpacks_to_much_is_refused_in_little_memory(name: str) -> None:
    made, code = BOMBS[name]
    data = made()
    assert len(data) < 4 * MB
    tracemalloc.start()
    arrow = pa.default_memory_pool()
    before = arrow.bytes_allocated()
    assert code in codes(data, name)
    assert tracemalloc.get_traced_memory()[1] < 200 * MB
    assert arrow.bytes_allocated() - before < 200 * MB
    tracemalloc.stop()


def test_what_is_allowed_grows_with_the_file_up_to_the_limit_of_the_source() -> None:
    assert Allowance.of(10, 1 << 40) == Allowance(16 * MB, 100_000)
    assert Allowance.of(MB, 1 << 40) == Allowance(50 * MB, MB // 2)
    assert Allowance.of(MB, 20 * MB).unpacked == 20 * MB
    at_most = Allowance(7, 5)
    assert list(at_most.faults(7, 5, 1000)) == []
    assert [fault.code for fault in at_most.faults(8, 6, 1001)] == [
        "TOO_LARGE",
        "TOO_MANY_ROWS",
        "TOO_MANY_COLUMNS",
    ]


def test_every_member_of_a_gzip_file_is_read() -> None:
    """Two files packed apart and put together, as a feed that is appended to: none of the rows is lost."""
    head, tail = "symbol,date,close\nAAA,2024-01-02,10\n", "BBB,2024-01-02,20\n"
    found = outcome(gzip.compress(head.encode()) + gzip.compress(tail.encode()), "a.csv.gz")
    assert isinstance(found, Delivery) and found.rows["symbol"].to_pylist() == ["AAA", "BBB"]


def source(folder: Path) -> list[Delivery | FileRejected]:
    return list(FolderSource("inbox", folder, "**/*", HOW).deliveries(None, None, lambda key: False))


NAMES = [
    b"\x1b[2Jcleared.csv", b"two\nlines.csv", b"not-utf8-\xff.csv", "turned-\u202e.csv".encode(), b"tab\t.csv",
]  # fmt: skip


def test_a_name_that_cannot_be_printed_is_refused_spelled_out_and_the_others_go_on(tmp_path: Path) -> None:
    for name in NAMES:
        with open(os.path.join(os.fsencode(tmp_path), name), "w") as file:  # noqa: PTH118, PTH123  bytes
            file.write(GOOD)
    # Ugly, but it can be shown: escaped where it is.
    (tmp_path / "<script>alert(1)<script>.csv").write_text(GOOD)
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    found = source(tmp_path)
    refused = [one for one in found if isinstance(one, FileRejected)]
    assert len(refused) == len(NAMES) + 1
    assert all(one.name.isprintable() and str(one).isprintable() for one in refused)
    assert sorted({one.findings[0].code for one in refused}) == [
        "BAD_NAME",
        "UNREADABLE",
    ]  # a circle of links
    assert sorted(one.payload_name for one in found if isinstance(one, Delivery)) == [
        "<script>alert(1)<script>.csv", "good.csv",
    ]  # fmt: skip


def test_a_pipe_in_the_reference_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ratings.csv")
    (tmp_path / "fx_rates.csv").write_text("base,quote,date,rate\nUSD,CAD,2024-01-02,1.3\n")
    first, second = ReferenceFolder(tmp_path).deliveries(None, None, lambda key: False)
    assert (
        isinstance(first, FileRejected) and first.findings[0].code == "UNREADABLE" and first.log == "ratings"
    )
    assert isinstance(second, Delivery)


def test_whatever_a_vendors_library_does_to_one_symbol_leaves_the_others(tmp_path: Path) -> None:
    from datetime import date

    def client(symbol: str, first: date, end: date) -> bytes:
        if symbol == "BAD":
            raise KeyError("chart")
        return b"Date,Close,Stock Splits\n2024-01-02,10,0\n"

    day = date(2024, 1, 2)
    reading = Reading("yahoo", "USD", "split_adjusted")
    found = list(
        YahooSource("yahoo", ("BAD", "OK"), day, day, client, reading).deliveries(
            None, None, lambda key: False
        )
    )
    assert isinstance(found[0], FileRejected) and "KeyError" in str(found[0])
    assert isinstance(found[1], Delivery)


def test_an_error_nobody_thought_of_refuses_the_file_by_its_name() -> None:
    class OddError(Exception):
        """One of a library that derives from nothing we know."""

    with pytest.raises(FileRejected) as refused, refusing("a.csv", "sha", "ratings"):
        raise OddError("\x1b[31mred\n" + "x" * 1000)
    assert "a.csv is refused: DAMAGED reading it ended in OddError: \\x1b[31mred\\nxxx" in str(refused.value)
    assert (refused.value.log, refused.value.payload_sha256, len(str(refused.value)) < 400) == (
        "ratings",
        "sha",
        True,
    )


def test_text_from_outside_is_spelled_out_and_cut() -> None:
    assert shown("a\x1b\u202e\ud800b") == "a\\x1b\\u202e\\ud800b"
    assert shown("é x") == "é x"
    assert shown("x" * 300, 10) == "xxxxxxxxxx..."


def test_links_out_of_the_reference_folder_and_of_an_inbox_of_accounts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    secret = tmp_path / "secret.csv"
    secret.write_text("base,quote,date,rate\nUSD,CAD,2024-01-02,1.3\n")
    for name in ("fx_rates.csv", "accounts.csv"):
        (tmp_path / "kept" / name).symlink_to(secret)
    (found,) = ReferenceFolder(tmp_path / "kept").deliveries(None, None, lambda key: False)
    assert isinstance(found, FileRejected) and found.findings[0].code == "OUTSIDE_FOLDER"
    ((log, file, name),) = account_files([tmp_path / "kept"])
    with pytest.raises(FileRejected, match="leads out of"):
        key_of(log, file, name)


def test_nothing_is_told_of_a_link_that_takes_a_files_place_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "secret").write_text("symbol,date,close,secret\nhunter2,hunter2,hunter2,hunter2\n")
    for name in ("aaa.csv", "fx_rates.csv", "accounts.csv"):
        (tmp_path / "kept" / name).write_text("base,quote,date,rate\nUSD,CAD,2024-01-02,1.3\n")
    real = Path.read_bytes

    def swapped(path: Path) -> bytes:
        path.unlink()
        path.symlink_to(tmp_path / "secret")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", swapped)
    source = FolderSource("inbox", tmp_path / "kept", "aaa.csv", Reading("inbox", "USD"))
    found = [*source.deliveries(None, None, lambda key: False)]
    found += ReferenceFolder(tmp_path / "kept", logs=("fx_rates",)).deliveries(None, None, lambda key: False)
    with pytest.raises(FileRejected) as told:
        read_told("accounts", tmp_path / "kept" / "accounts.csv", "accounts.csv")
    for refused in (*found, told.value):
        assert isinstance(refused, FileRejected) and refused.findings[0].code == "OUTSIDE_FOLDER"
        assert "hunter2" not in str(refused)


def test_long_texts_are_looked_for_in_a_large_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "LARGE", 0)
    with pytest.raises(FileRejected, match="LONG_TEXT"):
        read_delivery(
            parquet(repeated("A" * MB, 100_000)), "a.parquet", "sha", "key", Reading("inbox", "USD")
        )


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"account": ["a"] * 100_000, "model": repeated("A" * MB, 100_000)["symbol"]}, "LONG_TEXT"),
        ({"account": repeated("a", 2 * MB)["symbol"], "model": repeated("m", 2 * MB)["symbol"]}, "TOO_MANY_ROWS"),
        ({"account": ["a"], "model": [[["m"]]]}, "BAD_TYPE"),
    ],
)  # fmt: skip
def test_a_small_file_of_accounts_that_unpacks_to_much_is_refused(
    tmp_path: Path, columns: dict[str, object], code: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "accounts.parquet")
    assert (tmp_path / "accounts.parquet").stat().st_size < MB
    with pytest.raises(FileRejected, match=code):
        read_told("accounts", tmp_path / "accounts.parquet", "accounts.parquet")
