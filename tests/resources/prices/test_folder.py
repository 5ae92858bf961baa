"""Folders of files: layouts, dates in names, the evening feed's factors, and reading nothing twice."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import DataError
from resources.prices import files, folder
from resources.prices.factors import actions
from resources.prices.files import Reading, read_delivery
from resources.prices.folder import FolderSource
from resources.prices.rounding import significant
from resources.prices.source import Delivery, FileRejected

TIDY = "symbol,date,close\nA,2024-01-02,5\n"
FEED = "symbol,date,open,high,low,close,volume,adj_close\n"


def write(place: Path, **files: str) -> Path:
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)
    return place


def source(place: Path, **how: Any) -> FolderSource:
    return FolderSource("desk", place, "**/*", Reading("desk", "USD", **how))


def nothing_seen(key: str) -> bool:
    return False


def deliveries(
    place: Path, since: date | None = None, until: date | None = None, **how: Any
) -> list[Delivery]:
    found = list(source(place, **how).deliveries(since, until, nothing_seen))
    assert all(isinstance(one, Delivery) for one in found), found
    return found  # type: ignore[return-value]


def column(delivery: Delivery, name: str) -> list[Any]:
    values: list[Any] = delivery.rows[name].to_pylist()
    return values


def test_one_file_a_symbol_as_alpha_vantage_writes_it(tmp_path: Path) -> None:
    header = "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
    rows = "2024-01-03,20,21,19,20.5,20.5,200,0.25,2.0\n2024-01-02,40,41,39,40,19.7,100,0,1.0\n"
    (one,) = deliveries(write(tmp_path, spy__csv=header + rows))
    assert (one.basis, one.known_at, set(column(one, "symbol"))) == ("as_traded", None, {"SPY"})
    assert (column(one, "dividend"), column(one, "split")) == ([0.25, 0.0], [2.0, 1.0])
    assert column(one, "vendor_adj_close") == [20.5, 19.7]


def test_one_file_a_symbol_as_yahoo_writes_it(tmp_path: Path) -> None:
    text = (
        "Date,Open,High,Low,Close,Adj Close,Volume\n2024-01-02,1,1,1,100,99,10\n2024-01-03,1,1,1,101,101,10\n"
    )
    (one,) = deliveries(write(tmp_path, KO__csv=text))
    assert one.basis == "split_adjusted"
    assert [finding.code for finding in one.warnings] == ["BASIS_ASSUMED"]
    assert column(one, "dividend") == [None, 1.0]
    assert column(one, "split") == [None, 1.0]
    for ratio, close in (("4", 25.505), ("0.1", 1020.2)):  # taken for a dividend, and for a jump
        with pytest.raises(
            FileRejected, match=rf"closes on 2024-01-03 as after a split of {ratio}, which its adjusted"
        ):
            read_delivery(
                text.replace("101,101", f"{close},101").encode(), "KO.csv", "", "", Reading("desk", "USD")
            )


def test_adjusted_closes_alone_are_total_returns_and_say_so(tmp_path: Path) -> None:
    (one,) = deliveries(write(tmp_path, adj__csv="symbol,date,adj_close\nA,2024-01-02,5\n"))
    assert one.basis == "total_return"
    assert [finding.code for finding in one.warnings] == ["NOT_TRADABLE"]
    assert (column(one, "close"), column(one, "dividend"), column(one, "split")) == ([5], [0], [1])


def test_closes_alone_leave_dividends_open(tmp_path: Path) -> None:
    (one,) = deliveries(write(tmp_path, tidy__csv="symbol,date,close\nA,2024-01-02,5\n"))
    assert [finding.code for finding in one.warnings] == ["NO_DIVIDENDS"]
    assert column(one, "dividend") == [None]


def test_a_stated_basis_that_the_file_cannot_have_is_refused(tmp_path: Path) -> None:
    write(tmp_path, adj__csv="symbol,date,adj_close\nA,2024-01-02,5\n")
    (refused,) = source(tmp_path, basis="as_traded").deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert refused.findings[0].code == "MISSING_COLUMN"


def test_a_stated_total_return_takes_the_adjusted_close(tmp_path: Path) -> None:
    (one,) = deliveries(
        write(tmp_path, t__csv="symbol,date,close,adj_close\nA,2024-01-02,5,4\n"), basis="total_return"
    )
    assert column(one, "close") == [4]


def test_a_file_named_by_no_symbol_is_refused(tmp_path: Path) -> None:
    write(tmp_path, my__prices__csv="date,close\n2024-01-02,5\n")
    (tmp_path / "my.prices.csv").rename(tmp_path / "my prices.csv")
    (refused,) = source(tmp_path).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)


def test_the_evening_feed_gives_splits_dividends_and_when_it_was_known(tmp_path: Path) -> None:
    split = "NFLX,2015-07-15,1,1,1,98.129997,9,98.129997\nNFLX,2015-07-14,1,1,1,702.600006,9,100.371429\n"
    dividend = "VZ,2015-07-15,1,1,1,47.5,9,47.5\nVZ,2015-07-14,1,1,1,48.0,9,47.435\n"
    spun_off = "EBAY,2015-07-15,1,1,1,28.57,9,28.57\nEBAY,2015-07-14,1,1,1,66.289998,9,27.899831\n"
    alone = "X,2015-07-15,1,1,1,5,9,5\n"
    (one,) = deliveries(write(tmp_path, prices_20150715__csv=FEED + split + dividend + spun_off + alone))
    assert (one.basis, one.known_at) == ("as_traded", date(2015, 7, 15))
    assert column(one, "split") == [7.0, None, 1.0, None, 1.0, None, None]
    assert column(one, "dividend") == [0.0, None, 0.565, None, 38.39017, None, None]


@pytest.mark.parametrize(
    ("split", "paid", "read"),
    [
        (3, 1, (3, 1)),
        (0.1, 2, (0.1, 2)),
        (1 / 1.5, 1, (1 / 1.5, 1)),
        (1 / 53.5, 0, (1, 0)),
        (3, 6, (1, 68.66667)),
        # What a company spins off is often worth a third to a half of it.
        (1.5, 1, (1, 34)),
        (2, 1, (1, 50.5)),
        (2.5, 1, (1, 60.4)),
    ],
)
def test_a_split_and_a_dividend_of_one_day_are_both_read_off_the_adjusted_close(
    split: float, paid: float, read: tuple[float, float]
) -> None:
    """Per share before the split, as the log has it. Beside a dividend of 6%, or a split of up to 5:2, all of it is one
    dividend."""
    before, after = (100 - paid) / split, (99 - paid) / split
    rows = f"A,2024-01-02,100,{before:.7f}\nA,2024-01-03,{after:.7f},{after:.7f}\n"
    how = Reading("desk", "USD", "as_traded")
    one = read_delivery(f"symbol,date,close,adj_close\n{rows}".encode(), "h.csv", "", "", how)
    assert (column(one, "split")[1], column(one, "dividend")[1]) == pytest.approx(read, rel=1e-5)
    told = [finding.message for finding in one.warnings if finding.code == "DIVIDEND_FROM_ADJUSTED"]
    other = "not a spin-off, or a split beside a dividend" if read[0] == 1 else "not one dividend or spin-off"
    assert [other in message for message in told] == [True] * (paid > 0) and len(one.warnings) == len(told)


def test_a_feed_that_tells_a_day_twice_finds_the_same_factors(tmp_path: Path) -> None:
    rows = "A,2015-07-15,1,1,1,50,9,50\n" * 2 + "A,2015-07-14,1,1,1,100,9,50\n" * 2
    (one,) = deliveries(write(tmp_path, prices_20150715__csv=FEED + rows))
    assert column(one, "split") == [2.0, 2.0, None, None]


def test_files_come_in_date_order_whatever_their_folder(tmp_path: Path) -> None:
    row = "A,2015-07-15,1,1,1,50,9,50\n"
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", prices_20150716__csv=FEED + row)
    write(tmp_path, z_20150714__csv=FEED + row, prices_20150715__csv=FEED + row)
    assert [one.known_at.day for one in deliveries(tmp_path) if one.known_at] == [14, 15, 16]


def test_what_was_seen_is_not_read_again_unless_its_settings_change(tmp_path: Path) -> None:
    write(tmp_path, tidy__csv="symbol,date,close\nA,2024-01-02,5\n")
    keys = {one.key for one in deliveries(tmp_path)}
    assert list(source(tmp_path).deliveries(None, None, keys.__contains__)) == []
    assert len(list(source(tmp_path, basis="total_return").deliveries(None, None, keys.__contains__))) == 1


def test_equal_content_under_another_name_is_another_delivery(tmp_path: Path) -> None:
    text = "date,close\n2024-01-02,5\n"
    one, other = deliveries(write(tmp_path, AA__csv=text, BB__csv=text))
    assert one.payload_sha256 == other.payload_sha256
    assert one.key != other.key
    assert column(other, "symbol") == ["BB"]


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, a__csv="broken", b__csv="symbol,date,close\nA,2024-01-02,5\n", c__part="half")
    (tmp_path / ".b.csv.part").write_text("half")
    refused, good = source(tmp_path).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert refused.payload_sha256
    assert isinstance(good, Delivery)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    write(tmp_path, other__csv="symbol,date,close\nA,2024-01-02,5\n")
    (inbox / "t.csv").symlink_to(tmp_path / "other.csv")
    (refused,) = source(inbox).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert refused.findings[0].code == "OUTSIDE_FOLDER"


def test_a_link_to_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("symbol,date,close\nAAA,2024-01-02,10\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.csv").symlink_to("pipe")
    good, refused = FolderSource("own", tmp_path, "*.csv", Reading("own", "USD")).deliveries(
        None, None, lambda key: False
    )
    assert isinstance(good, Delivery) and isinstance(refused, FileRejected)
    assert (refused.name, refused.findings[0].code) == ("link.csv", "UNREADABLE")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("../*.csv", "../t.csv"),
        ("../elsewhere/*.csv", "../elsewhere/t.csv"),
        ("*/*.csv", "link/t.csv"),
        ("**/*", ""),
    ],
)
def test_a_pattern_or_a_linked_folder_that_leads_out_is_refused(
    tmp_path: Path, pattern: str, name: str
) -> None:
    inbox, other = tmp_path / "inbox", tmp_path / "elsewhere"
    for place in (inbox, other):
        place.mkdir()
    for place in (tmp_path, other):
        write(place, t__csv="symbol,date,close\nA,2024-01-02,5\n")
    (inbox / "link").symlink_to(other)
    found = FolderSource("f", inbox, pattern, Reading("f", "USD")).deliveries(None, None, nothing_seen)
    told = [(one.name, one.findings[0].code) for one in found if isinstance(one, FileRejected)]
    assert told == [(place, "OUTSIDE_FOLDER") for place in ("link", name) if place]


def test_a_file_that_is_still_being_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, t__csv="symbol,date,close\nA,2024-01-02,5\n")

    def growing(file: Path, *rest: Any) -> Delivery:
        file.write_text(file.read_text() + "A,2024-01-03,5\n")
        return read_delivery(file, *rest)

    monkeypatch.setattr(folder, "read_delivery", growing)
    (refused,) = source(tmp_path).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert refused.findings[0].code == "CHANGING"


def test_days_outside_what_is_asked_are_left_out_and_lines_stay_true(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-01-0{number},5\n" for number in range(2, 6))
    (one,) = deliveries(
        write(tmp_path, t__csv="symbol,date,close\n" + rows), date(2024, 1, 3), date(2024, 1, 4)
    )
    assert column(one, "date") == [date(2024, 1, 3), date(2024, 1, 4)]
    assert one.lines is not None
    assert one.lines.tolist() == [3, 4]


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sources\.yaml"):
        list(source(tmp_path / "nowhere").deliveries(None, None, nothing_seen))


@given(st.lists(st.floats(1e-9, 1e15), min_size=1, max_size=50))
def test_rounding_is_that_of_the_decimal_text_and_happens_once(values: list[float]) -> None:
    rounded = significant(np.array(values))
    assert np.array_equal(significant(rounded), rounded)
    assert np.allclose(rounded, values, rtol=5.1e-8, atol=0)
    assert all(float(f"{value:.7e}") == value for value in rounded.tolist())


def test_rounding_leaves_what_is_no_number() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -123.456789012, 1e-30, 1e300])
    expected = [np.nan, np.inf, -np.inf, 0.0, -123.45679, 1e-30, 1e300]
    assert np.array_equal(significant(values), expected, equal_nan=True)


def test_split_adjusted_closes_have_no_splits_only_dividends() -> None:
    close, adjusted = np.array([50.0]), np.array([50.0])
    previous, previous_adjusted = np.array([100.0]), np.array([50.0])
    dividend, split = actions(close, adjusted, previous, previous_adjusted, splits=False)
    assert (dividend[0], split[0]) == (50.0, 1.0)


def test_a_file_that_the_system_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a__csv=FEED + "A,2024-01-02,1,1,1,1,1,1\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FolderSource, "_read", refuse)
    (refused,) = source(tmp_path).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert [(item.code, item.message) for item in refused.findings] == [
        ("UNREADABLE", "Permission denied; check the file and its permissions")
    ]


def codes_of(place: Path, **how: Any) -> dict[str, list[str]]:
    """File name -> codes of its refusal, or of its warnings."""
    found = source(place, **how).deliveries(None, None, nothing_seen)
    return {
        one.name if isinstance(one, FileRejected) else one.payload_name: [
            finding.code for finding in (one.findings if isinstance(one, FileRejected) else one.warnings)
        ]
        for one in found
    }


def test_no_file_of_an_inbox_is_passed_over_in_silence(tmp_path: Path) -> None:
    """Read where it is a table under any name, refused by name otherwise; what is hidden or unfinished is neither."""
    for name in ("a.csv", "B.CSV", "c.txt", "d.TXT"):
        (tmp_path / name).write_text(TIDY)
    for name in ("e.xlsx", "f.json", "README", ".hidden.csv", "g.csv.part", "~$e.xlsx", "h.csv~", "i.tmp"):
        (tmp_path / name).write_text("nothing of ours")
    (tmp_path / "j.csv").symlink_to(tmp_path / "gone.csv")
    os.mkfifo(tmp_path / "k.csv")
    assert codes_of(tmp_path) == {
        **{name: ["NO_DIVIDENDS"] for name in ("a.csv", "B.CSV", "c.txt", "d.TXT")},
        **{name: ["UNKNOWN_FORMAT"] for name in ("e.xlsx", "f.json", "README")},
        **{name: ["UNREADABLE"] for name in ("j.csv", "k.csv")},
    }


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), RecursionError("x"), pa.ArrowNotImplementedError("x")]
)
def test_whatever_a_file_does_to_its_parser_it_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(tmp_path, a__csv=TIDY, b__csv=TIDY)
    whole = files.price_rows

    def trips(table: pa.Table, name: str, stated: Any = None) -> Any:
        if name == "a.csv":
            raise error
        return whole(table, name, stated)

    monkeypatch.setattr(files, "price_rows", trips)
    refused, good = source(tmp_path).deliveries(None, None, nothing_seen)
    assert isinstance(refused, FileRejected)
    assert (refused.name, [one.code for one in refused.findings]) == ("a.csv", ["DAMAGED"])
    assert type(error).__name__ in str(refused)
    assert refused.payload_sha256
    assert isinstance(good, Delivery)


YAHOO = "Date,Open,High,Low,Close,{more}Volume,Dividends,Stock Splits\n"


@pytest.mark.parametrize("more", ["", "Adj Close,"])
def test_the_columns_of_yahoo_leave_the_basis_open(tmp_path: Path, more: str) -> None:
    row = f"2024-01-02,1,1,1,100,{'100,' if more else ''}10,0,0\n"
    write(tmp_path, KO__csv=YAHOO.format(more=more) + row)
    assert codes_of(tmp_path) == {"KO.csv": ["AMBIGUOUS_BASIS"]}
    assert codes_of(tmp_path, basis="split_adjusted") == {"KO.csv": []}


@given(ratio=st.sampled_from([1.25, 1.2, 1.5, 2.0, 7.0, 20.0, 0.1, 0.5]), adjusted=st.booleans())
def test_splits_that_the_closes_do_not_show_leave_the_basis_open(ratio: float, adjusted: bool) -> None:
    """Under any vendor's names: a close that the split has not moved is adjusted for it already."""
    after = 101.0 if adjusted else 101.0 / ratio
    text = f"date,close,split\n2024-01-02,100,1\n2024-01-03,{after!r},{ratio}\n2024-01-04,{after!r},1\n"
    reading = Reading("desk", "USD")
    if adjusted:
        with pytest.raises(FileRejected, match=r"AMBIGUOUS_BASIS.*2024-01-03"):
            read_delivery(text.encode(), "AAA.csv", "", "", reading)
    else:
        assert read_delivery(text.encode(), "AAA.csv", "", "", reading).basis == "as_traded"


def test_one_file_of_a_folder_may_be_wanted_alone(tmp_path: Path) -> None:
    write(tmp_path, a__csv=TIDY, b__csv="broken")
    wanted = FolderSource("desk", tmp_path, "**/*", Reading("desk", "USD"), only=tmp_path / "a.csv")
    assert [
        getattr(one, "payload_name", "refused") for one in wanted.deliveries(None, None, nothing_seen)
    ] == ["a.csv"]
