"""The file that a broker exported, as text."""

from pathlib import Path

from optimizer import DataError

LARGEST = 16 << 20  # bytes; a table of positions has kilobytes
# By what a file begins that is no table of text.
NO_TABLES = (
    ((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"), "a spreadsheet", "save it as CSV (UTF-8)"),
    ((b"\x1f\x8b",), "packed", "unpack it first"),
    ((b"%PDF",), "a PDF", "export the positions as CSV"),
    (
        (b"<", b"OFXHEADER"),
        "HTML, XML or OFX",
        "export the positions as CSV, or open it in a spreadsheet and save it so",
    ),
    ((b"{", b"[{"), "JSON", "export the positions as CSV"),
)


def export_text(path: Path) -> str:
    """The text of an export: UTF-8, UTF-16 with or without its mark, or Windows-1252 as Excel saves a CSV.

    Raises DataError for a file that can not be read, or is no text in one of these.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device has no end
        raise DataError(f"{path} is no file; name the file that your broker exported")
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name the file that your broker exported") from None
    if data is None:
        raise DataError(f"{path} has more than {LARGEST >> 20} MB: export the positions alone")
    for begins, kind, remedy in NO_TABLES:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(begins):
            raise DataError(f"{path} is {kind}: {remedy}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Excel writes "Unicode text"
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):  # any sequence of bytes that is UTF-8 is hardly anything else
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            wrong = data[error.start : error.start + 1]
    raise DataError(f"{path}: byte {wrong!r} is neither UTF-8 nor Windows-1252; save it as CSV (UTF-8)")
