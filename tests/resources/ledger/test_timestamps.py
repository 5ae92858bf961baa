"""Time stamps of the anchor, by a service on this machine that openssl answers for."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from bench import STAMP, ingest, price_rows, priced_warehouse
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from optimizer import DataError, PolicyError
from resources.audit.verification import verify_home
from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import bytes_sha256
from resources.ledger.timestamps import (
    Stamp,
    read_roots,
    read_stamps,
    stamp,
    stamped_text,
    stamps_beside,
    wrong_stamps,
)
from resources.store.warehouse import Warehouse

OPENSSL = shutil.which("openssl")
pytestmark = [
    pytest.mark.skipif(OPENSSL is None, reason="openssl answers as the time stamp service"),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]
SETTINGS = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Service:
    """An address that stamps, and the certificates of this one and of a stranger's."""

    url: str
    roots: list[Certificate]
    strangers: list[Certificate]
    answers: list[bytes]  # what it says next instead of a stamp
    folder: Path  # of its certificates and settings

    def with_its_root(self, text: bytes) -> bytes:
        """A stamp of a text that brings two certificates, in the order that openssl happens to write."""
        (self.folder / "text").write_bytes(text)
        query = "-query", "-data", "text", "-sha256", "-cert", "-out", "chain.tsq"
        reply = (
            "-reply",
            "-queryfile",
            "chain.tsq",
            "-config",
            "tsa.cnf",
            "-section",
            "tsa",
            "-chain",
            "root.pem",
        )
        openssl(self.folder, "ts", *query)
        return openssl(self.folder, "ts", *reply)

    def own_certificates(self) -> list[bytes]:
        return sorted(
            certificate.public_bytes(Encoding.DER)
            for name in ("tsa.pem", "root.pem")
            for certificate in read_roots(self.folder / name)
        )


def openssl(folder: Path, *words: str) -> bytes:
    return subprocess.run([str(OPENSSL), *words], cwd=folder, check=True, capture_output=True).stdout


def certificates(folder: Path) -> None:
    """A root, one certificate for time stamps under it, and the root of somebody else."""

    (folder / "tsa.ext").write_text(
        "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    for name in ("root", "stranger"):
        openssl(
            folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "30", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
    openssl(
        folder,
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "tsa.key",
        "-out",
        "tsa.csr",
        "-subj",
        "/CN=clock",
    )
    openssl(
        folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
        "-out", "tsa.pem", "-days", "30", "-extfile", "tsa.ext",
    )  # fmt: skip
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(SETTINGS.format(folder=folder))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("clock")
    certificates(folder)
    answers: list[bytes] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if answers:
                said = answers.pop()
            else:
                (folder / "asked.tsq").write_bytes(asked)
                said = openssl(
                    folder, "ts", "-reply", "-queryfile", "asked.tsq", "-config", "tsa.cnf", "-section", "tsa"
                )
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        yield Service(
            url, read_roots(folder / "root.pem"), read_roots(folder / "stranger.pem"), answers, folder
        )
        server.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> Warehouse:
    return priced_warehouse(tmp_path / "home")


def stamped(store: Warehouse, service: Service) -> Path:
    file = stamps_beside(store.anchor)
    line = read_anchors(store.anchor).lines[-1]
    made = stamp(line, service.url, service.roots, file)
    assert made.place == line.place and read_stamps(file) == [made]
    assert datetime.fromisoformat(made.at).tzinfo is not None
    return file


def test_a_stamped_line_verifies_and_goes_on_doing_so(store: Warehouse, service: Service) -> None:
    file = stamped(store, service)
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=101.0))
    lines = read_anchors(store.anchor).lines
    assert wrong_stamps(read_stamps(file), lines, service.roots) == []
    report = verify_home(store, roots=service.roots)
    assert not [fault for fault in report.faults if fault.table == "time stamps"]
    assert any("1 time stamp: give --stamp-roots" in note for note in verify_home(store).notes)


def test_a_rewritten_anchor_is_found_by_its_stamp(store: Warehouse, service: Service) -> None:
    file, lines = stamped(store, service), read_anchors(store.anchor).lines
    other = replace(lines[-1], told={**lines[-1].told, "count": 9})
    assert "cut off or rewritten" in wrong_stamps(read_stamps(file), [*lines[:-1], other])[0]
    cut = store.anchor.read_bytes().splitlines(keepends=True)[:-1]
    store.anchor.write_bytes(b"".join(cut))
    found = [fault.message for fault in verify_home(store).faults if fault.table == "time stamps"]
    assert len(found) == 1 and "cut off or rewritten" in found[0]


def test_a_stamp_of_a_stranger_or_with_another_time_does_not_hold(store: Warehouse, service: Service) -> None:
    file = stamped(store, service)
    lines = read_anchors(store.anchor).lines
    assert "does not hold" in wrong_stamps(read_stamps(file), lines, service.strangers)[0]
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"at": "2001-01-01T00:00:00+00:00"}) + "\n")
    assert "was given at 20" in wrong_stamps(read_stamps(file), lines, service.roots)[0]
    file.write_text("no stamp\n")
    with pytest.raises(DataError, match=r"line 1 of .* is no time stamp"):
        read_stamps(file)


def test_an_answer_that_is_no_stamp_of_the_line_is_not_kept(store: Warehouse, service: Service) -> None:
    line, file = read_anchors(store.anchor).lines[-1], stamps_beside(store.anchor)
    earlier = stamped(store, service)
    old = read_stamps(earlier)[0].answer
    file.unlink()
    refusal = bytes.fromhex("30053003020102")  # a status of 2, and no stamp
    wrong = {
        b"": "no time stamp",
        b"<html>": "no time stamp",
        refusal: "a refusal",
        b"0" * (2 << 20): "more than",
    }
    for answer, why in {**wrong, old: "does not hold"}.items():  # old: the right line, and another's nonce
        service.answers.append(answer)
        with pytest.raises(DataError, match=why):
            stamp(line, service.url, service.roots, file)
    with pytest.raises(DataError, match="does not hold"):
        stamp(line, service.url, service.strangers, file)
    with pytest.raises(DataError, match="cannot be asked"):
        stamp(line, "http://127.0.0.1:9/", service.roots, file)
    assert not file.exists()


def test_an_answer_whose_certificates_are_not_in_the_order_of_der_is_refused(
    store: Warehouse, service: Service
) -> None:
    lines = read_anchors(store.anchor).lines
    text, (first, second) = stamped_text(lines[-1]), service.own_certificates()
    said, wrong = service.with_its_root(text), []
    for pair in (first + second, second + first):  # nothing signs the order
        answer = said.replace(first + second, pair).replace(second + first, pair)
        wrong += wrong_stamps(
            [Stamp(lines[-1].place, bytes_sha256(text), "yesterday", answer)], lines, service.roots
        )
    assert "yesterday, was given at 20" in wrong[0] and "is no time stamp" in wrong[1]


def test_roots_must_be_certificates(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_text("none")
    for file in (tmp_path / "roots.pem", tmp_path / "absent.pem"):
        with pytest.raises(PolicyError, match="holds no certificate"):
            read_roots(file)
