"""Time stamps of the anchor's lines by a service after RFC 3161: that a history existed, said by somebody else's clock.

They lie in `timestamps.jsonl` beside the anchor. Needs the extra `packfolio[timestamps]`.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.x509 import Certificate, load_pem_x509_certificates

from optimizer import DataError, PolicyError
from resources.ledger.anchor_lines import Anchor, is_hash, lines_of, read_object
from resources.ledger.atomic_file import write_whole
from resources.ledger.ledger import bytes_sha256
from resources.ledger.record_error import RecordError

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SECONDS = 30.0
TOLD = ("line", "sha256", "at", "answer")
LARGEST = 1 << 20  # bytes; an answer with its certificates takes a few thousand
TYPES = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


@dataclass(frozen=True)
class Stamp:
    """A service's word, of `at` by its clock, that line `place` of the anchor existed; `answer` is its DER."""

    place: int
    sha256: str
    at: str
    answer: bytes


def stamps_beside(anchor: Path) -> Path:
    """Where the time stamps of an anchor file lie."""
    return anchor.with_name("timestamps.jsonl")


def stamped_text(line: Anchor) -> bytes:
    """What is stamped of a line: all that it says, keys in order."""
    return json.dumps(line.told, sort_keys=True).encode()


def stamp(line: Anchor, url: str, roots: Sequence[Certificate], file: Path) -> Stamp:
    """Have a line stamped, check the answer against the roots, and keep it in `file`.

    Raises DataError where the service gives none that holds, PolicyError without the library.
    """
    import requests  # slow to import, and verification needs none

    client = _client()
    text = stamped_text(line)
    asked = (
        client.TimestampRequestBuilder().data(text).nonce(nonce=True).cert_request(cert_request=True).build()
    )
    try:
        with requests.post(url, asked.as_bytes(), headers=TYPES, timeout=SECONDS, stream=True) as said:
            said.raise_for_status()
            answer = said.raw.read(LARGEST + 1, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise DataError(f"the time stamp service {url} cannot be asked: {error}") from None
    if len(answer) > LARGEST:
        raise DataError(
            f"the time stamp service {url} answers more than {LARGEST} bytes: that is no time stamp"
        )
    found = _read(answer, f"what {url} answered")
    _verify(found, text, roots, f"what {url} answered", asked.nonce)
    made = Stamp(line.place, bytes_sha256(text), found.tst_info.gen_time.isoformat(), answer)
    keep_stamp(file, made)
    return made


def keep_stamp(file: Path, one: Stamp) -> None:
    """Add a time stamp to the file, whole or not at all."""
    told = {
        "line": one.place,
        "sha256": one.sha256,
        "at": one.at,
        "answer": base64.b64encode(one.answer).decode(),
    }
    before = file.read_bytes() if file.exists() else b""
    write_whole(file, before + json.dumps(told).encode() + b"\n")


def read_stamps(file: Path) -> list[Stamp]:
    """The time stamps on file, oldest first; raises RecordError for a line that is none."""
    found = []
    for number, text in enumerate(lines_of(file, "put the true file back"), 1):
        try:
            found.append(_stamp(read_object(text)))
        except (ValueError, TypeError):
            raise RecordError(f"line {number} of {file} is no time stamp: put the true file back") from None
    return found


def _stamp(told: Mapping[str, Any]) -> Stamp:
    if tuple(told) != TOLD or type(told["line"]) is not int:
        raise ValueError
    answer = base64.b64decode(told["answer"], validate=True)
    if not is_hash(told["sha256"]) or not str(told["at"]).isprintable():
        raise ValueError
    return Stamp(told["line"], told["sha256"], str(told["at"]), answer)


def wrong_stamps(
    stamps: Sequence[Stamp], lines: Sequence[Anchor], roots: Sequence[Certificate] = ()
) -> list[str]:
    """What is wrong, a sentence each: a stamped line that is gone or changed, a stamp that the roots do not bear.

    roots  certificates that the desk trusts; without them only the lines are compared
    """
    by_place = {line.place: line for line in lines}
    wrong = []
    for one in stamps:
        name = f"the time stamp of line {one.place}, {one.at}"
        line = by_place.get(one.place)
        if line is None or bytes_sha256(stamped_text(line)) != one.sha256:
            wrong.append(
                f"{name}, is not of the line that stands there now: the anchor was cut off or rewritten"
            )
        elif roots:
            try:
                found = _read(one.answer, name)
                _verify(found, stamped_text(line), roots, name)
            except DataError as error:
                wrong.append(str(error))
                continue
            if found.tst_info.gen_time.isoformat() != one.at:
                wrong.append(f"{name}, was given at {found.tst_info.gen_time.isoformat()}")
    return wrong


def read_roots(file: Path) -> list[Certificate]:
    """The certificates of a PEM file; raises PolicyError where it has none."""
    try:
        return load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise PolicyError(f"{file} holds no certificate in PEM: {error}") from None


def _client() -> Any:
    try:
        import rfc3161_client
    except ModuleNotFoundError:
        raise PolicyError("time stamps need one more package: pip install 'packfolio[timestamps]'") from None
    return rfc3161_client


def _read(answer: bytes, name: str) -> "TimeStampResponse":
    client = _client()
    try:
        found: TimeStampResponse = client.decode_timestamp_response(answer)
        if client.PKIStatus(found.status) is not client.PKIStatus.GRANTED:
            raise DataError(f"{name} is a refusal: {', '.join(found.status_string) or found.status}")
    except ValueError as error:
        raise DataError(f"{name} is no time stamp: {error}") from None
    return found


def _verify(
    found: "TimeStampResponse", text: bytes, roots: Sequence[Certificate], name: str, nonce: int | None = None
) -> None:
    client = _client()
    try:
        client.VerifierBuilder(roots=list(roots), nonce=nonce).build().verify_message(found, text)
    except (client.VerificationError, ValueError) as error:
        raise DataError(f"{name} does not hold: {error}") from None
