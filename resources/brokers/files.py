"""The file that a broker exported, as text."""

from pathlib import Path

from optimizer import DataError

LARGEST = 16 << 20  # bytes; a table of positions has kilobytes


def export_text(path: Path) -> str:
    """The text of an export; raises DataError for a file that can not be read, or is no CSV in UTF-8 or UTF-16."""
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name the file that your broker exported") from None
    if data is None:
        raise DataError(f"{path} has more than {LARGEST >> 20} MB: export the positions alone")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(f"{path} is a spreadsheet: save it as CSV (UTF-8)")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Excel writes "Unicode text"
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {data[error.start : error.start + 1]!r} is not UTF-8; save it as CSV (UTF-8)"
        ) from None
