"""Reference files as spreadsheets of other countries write them: the same rows as from plain CSV, or refused."""

from pathlib import Path

import pytest
from accounts_desk import ACCOUNTS

from resources.accounts.files import read_told
from resources.prices.reference import TABLES, ReferenceFolder, read_reference
from resources.prices.source import Delivery, FileRejected

# two rows a log; `~` stands for the decimal mark and `'` for that of thousands, texts hold signs of both kinds
FILES = {
    "securities": "symbol;date;currency;simulated;name;note\nA;2024-01-02;USD;false;Say, Moody's;1,5\n"
    "B;2024-01-02;CHF;TRUE;\"\"\"B\"\" & Co\";1.234\n",
    "market_caps": "symbol;date;market_cap;currency\nA;2024-01-02;1'234'567~5;USD\nB;2024-01-02;250'000;USD\n",
    "ratings": "symbol;date;rating\nA;2024-01-02;7~5\nB;2024-01-02;3\n",
    "corporate_actions": "symbol;date;kind;value;note\nA;2024-01-02;split;0~125;one for eight, 3,5\n"
    "B;2024-01-03;dividend;1~5;\n",
    "fx_rates": "base;quote;date;rate\nEUR;USD;2024-01-02;1~0842\nUSD;JPY;2024-01-02;147~05\n",
    "risk_free_rates": "currency;date;rate;note\nUSD;2024-01-02;0~0525;5,25 percent\nEUR;2024-01-02;-0~0051;\n",
    "macro_series": "series;date;known_at;value\nUNRATE;2024-01-31;2024-02-03;3~7\nCPI;2024-01-31;2024-02-13;308~417\n",
    "characteristics": "symbol;date;name;known_at;value\nA;2024-01-31;value;2024-02-03;-0~25\n"
    "B;2024-01-31;value;2024-02-03;1'250~5\n",
}  # fmt: skip
FX = "base;quote;date;rate"


def rows(log: str, text: str, encoding: str = "utf-8") -> list[dict[str, object]]:
    found: list[dict[str, object]] = read_reference(
        text.encode(encoding), f"{log}.csv", log, TABLES[log]
    ).to_pylist()
    return found


def plain(text: str) -> str:
    """With commas: every cell quoted, as no cell here holds a semicolon."""
    bare = text.replace("'", "").replace("~", ".").replace("Moodys", "Moody's")
    cells = [
        [cell if cell.startswith('"') else f'"{cell}"' for cell in line.split(";")]
        for line in bare.split("\n")
    ]
    return "\n".join(",".join(line) if line != ['""'] else "" for line in cells)


@pytest.mark.parametrize("log", TABLES)
@pytest.mark.parametrize(
    ("part", "decimal", "thousand"),
    [(";", ",", "."), (";", ",", "\u202f"), (";", ".", ","), ("\t", ",", "."), ("\t", ".", ""), ("|", ",", " ")],
)  # fmt: skip
def test_any_separator_and_decimal_mark_give_the_rows_of_plain_csv(
    log: str, part: str, decimal: str, thousand: str
) -> None:
    expected = rows(log, plain(FILES[log]))
    text = FILES[log].replace("Moody's", "Moody^s").replace("'", thousand).replace("Moody^s", "Moody's")
    text = text.replace("~", decimal).replace(";", part)
    told = [] if part == "|" else [text, text.replace("\n", "\r\n")]
    for given in [*told, f"sep={part}\n{text}"]:
        assert rows(log, given) == rows(log, given, "utf-8-sig") == expected
    assert len(expected) == 2 and all(None not in list(row.values())[:3] for row in expected)


@pytest.mark.parametrize("log", TABLES)
def test_utf_16_is_refused_with_what_to_write(log: str) -> None:
    for text in (FILES[log], plain(FILES[log])):
        with pytest.raises(FileRejected, match=r"UTF-16.*CSV UTF-8"):
            rows(log, text, "utf-16")


@pytest.mark.parametrize(
    ("text", "code", "line", "said"),
    [
        (f"{FX}\nEUR;USD;2024-01-02;1,084\n", "MIXED_DECIMALS", 2, "1,084 may be a decimal"),
        (f"sep=;\n{FX}\nEUR;USD;2024-01-02;1,0842\nEUR;CHF;2024-01-02;0.95\n", "MIXED_DECIMALS", 3, "0.95, line 4"),
        (f"{FX}\nEUR;USD;02.01.2024;1,0842\n", "BAD_DATE", 2, "(a table with semicolons) '02.01.2024'"),
        (f"sep=;\n{FX}\nEUR;USD;2024-01-02;n/a\n", "BAD_NUMBER", 3, "(a table with semicolons)"),
        (f"sep=;\n{FX}\nEUR;USD;2024-01-02;1,0842\nEUR;USD;2024-01-02;2\n", "DUPLICATE_CONFLICT", 4, "lines 3 and 4"),
        ("base\tquote\tdate\trate\nEUR\tUSD\t2024-01-02\n", "COLUMN_COUNT", 2, "(a table with tabs) 3 cells"),
        (f"{FX}\nEUR;USD;2024-01-02;1,0842", "TRUNCATED", 2, "does not end"),
        ('base,quote,date,rate\nEUR,USD,2024-01-02,"1,0842"\n', "BAD_NUMBER", 2, "'1,0842'"),
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused_by_layout_and_line(
    text: str, code: str, line: int, said: str
) -> None:
    with pytest.raises(FileRejected) as caught:
        rows("fx_rates", text)
    (found,) = caught.value.findings
    assert (found.code, found.line) == (code, line) and said in found.message


def test_rows_set_aside_are_told_by_the_payloads_own_lines(tmp_path: Path) -> None:
    (tmp_path / "fx_rates.csv").write_text("sep=;\n" + FILES["fx_rates"].replace("~", ","))
    (found,) = ReferenceFolder(tmp_path).deliveries(None, None, lambda key: False)
    assert isinstance(found, Delivery)
    assert (found.first_line, found.rows["rate"].to_pylist()) == (3, [1.0842, 147.05])


def test_files_of_accounts_are_read_by_the_same_rule(tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(
        "sep=;\n" + ACCOUNTS.replace(",", ";") + "A1;1,5 & Co;growth;USD;0,02;taxable;2024-01-02\n"
    )
    (row,) = read_told("accounts", file, file.name).rows.to_pylist()
    assert (row["line"], row["name"], row["cash_buffer"]) == (3, "1,5 & Co", "0.02")
    file.write_text(file.read_text().replace("0,02", "1,020"))
    with pytest.raises(FileRejected, match=r"MIXED_DECIMALS line 3: 1,020 may be"):
        read_told("accounts", file, file.name)
