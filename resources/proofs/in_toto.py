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

from resources.ledger.ledger import Connection
from resources.ledger.signatures import private_key
from resources.packs.packs import find_pack
from resources.proofs.check_proof import LEDGER, NOT_OPENED

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def envelope(con: Connection, proof: Mapping[str, Any], key: Path) -> dict[str, Any]:
    """The signed statement of what a proof shows; the key's id is the SHA-256 of its public half in DER.

    Raises PolicyError where the key cannot be read.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = private_key(key)
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
                "resolvedDependencies": [*stages, *_payloads(con, result["key"]["pack_id"])],
            },
            "runDetails": {
                "builder": {"id": f"urn:packfolio:code:{row['code_version']}"},
                "metadata": {"invocationId": row["run_id"], "finishedOn": row["at"].replace(" ", "T") + "Z"},
                "byproducts": [_material("packfolio:checkpoint", proof["checkpoint"]["root"])],
            },
        },
    }


def _payloads(con: Connection, pack_id: str) -> list[dict[str, Any]]:
    """Every payload whose rows a pack could see."""
    found = con.execute(
        "select distinct payload_name, payload_sha256 from ingests where ingest_seq <= ? order by all",
        [find_pack(con, pack_id).watermark],
    ).fetchall()
    return [_material(name, digest) for name, digest in found]


def _material(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}
