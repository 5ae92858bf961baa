"""A result's provenance as an in-toto statement in a DSSE envelope, which any supply-chain verifier reads.

Formats: in-toto Statement v1, SLSA Provenance v1, DSSE v1 (github.com/in-toto/attestation, slsa.dev,
github.com/secure-systems-lab/dsse).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.audit.anchor_verification import check_signatures
from resources.ledger.anchors import Anchors
from resources.ledger.ledger import LEDGER_FIELDS, Connection, chain_hash, written_cells
from resources.ledger.ledger_tree import entries_from, tree_of
from resources.ledger.record_error import RecordError
from resources.ledger.signatures import PublicKey, private_key
from resources.proofs.check_proof import LEDGER, NOT_OPENED
from resources.proofs.opened_rows import open_cells

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def envelope(con: Connection, proof: Mapping[str, Any], key: Path, anchors: Anchors) -> dict[str, Any]:
    """The signed statement of what a proof shows; the key's id is the SHA-256 of its public half in DER.

    Raises PolicyError where the key cannot be read, RecordError where a line of the anchor is not of the desk's keys
    or a payload not what its ledger row recorded: what is signed anew must have been believed before.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = private_key(key)
    if faults := check_signatures(anchors, PublicKey.of_private(key))[0]:
        raise RecordError(f"{faults[0]}: no statement is signed on it; see `packfolio packs verify --key`")
    body = json.dumps(statement(con, proof), sort_keys=True).encode()
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(body).decode(),
        "signatures": [
            {
                "keyid": hashlib.sha256(public).hexdigest(),
                "sig": base64.b64encode(private.sign(pre_authentication(body))).decode(),
            }
        ],
    }


def pre_authentication(body: bytes) -> bytes:
    """What a DSSE envelope signs: type and body, each with its length."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def statement(con: Connection, proof: Mapping[str, Any]) -> dict[str, Any]:
    """Subject: the result's content hash; materials: its inputs and the payloads; builder: the code."""
    result, rows = proof["result"], {}
    for item in proof["ledger"]:
        fields = dict(zip(LEDGER.split(), json.loads(item["text"]), strict=True))
        rows[fields["id"]] = fields
    for item in proof["units"]:
        unit, of = item["row"], rows[item["ledger_row"]]
        inputs = json.loads(of["input_hashes"]) | json.loads(unit["input_hashes"])
        of |= {"content_hash": unit["content_hash"], "input_hashes": json.dumps(inputs)}
    row = rows[result["ledger_row"]]
    inputs = dict(json.loads(row["input_hashes"]))
    content = inputs.pop("logs", row["content_hash"])  # of a pack: the hash of what it sees
    stages = [
        _material(f"packfolio:{name}", digest)
        for name, digest in inputs.items()
        if not name.startswith(NOT_OPENED)
    ]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_material("/".join(["packfolio:" + result["table"], *result["key"].values()]), content)],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:packfolio:stage:1",
                "externalParameters": {"table": result["table"], **result["key"]},
                "internalParameters": {"config_hash": row["config_hash"], "ledger_row": row["id"]},
                "resolvedDependencies": [*stages, *_payloads(con, proof)],
            },
            "runDetails": {
                "builder": {"id": f"urn:packfolio:code:{row['code_version']}"},
                "metadata": {"invocationId": row["run_id"], "finishedOn": row["at"].replace(" ", "T") + "Z"},
                "byproducts": [_material("packfolio:checkpoint", proof["checkpoint"]["root"])],
            },
        },
    }


def _payloads(con: Connection, proof: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every payload whose rows a pack could see; raises RecordError where the root does not cover what is stored."""
    entries, signed = entries_from(con, 1), proof["checkpoint"]
    sound = tree_of(entries[: signed["count"]]).root(signed["count"]).hex() == signed["root"]
    names = ", ".join(f'"{name}"' for name in LEDGER_FIELDS)
    packs = next(item["rows"] for item in proof["cells"] if item["table"] == "pricing_packs")
    rows = con.execute(  # every one that the pack could see: which of them brought payloads is told by the ledger alone
        f"select {names} from materializations where id <= ? order by id", [int(packs[0]["watermark_seq"])]
    ).fetchall()
    found = set()
    for entry, row in zip(entries, rows, strict=False):
        fields = dict(zip(LEDGER_FIELDS, row, strict=True))
        sound &= chain_hash(fields) == entry.hex()
        written = json.loads(fields["cells"]) if sound else {}
        if "ingests" in written:
            sound &= written_cells(con, fields["id"], ["ingests"]).get("ingests") == written["ingests"]
            opened = open_cells(con, fields["id"], "ingests", "true", [])["rows"]
            found |= {(cells["payload_name"], cells["payload_sha256"]) for cells in opened}
    if not sound:
        raise RecordError(
            "the payloads on record are not what the ledger tells: see `packfolio packs verify`"
        )
    return [_material(*payload) for payload in sorted(found)]


def _material(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}
