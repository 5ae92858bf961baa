"""Provenance in a DSSE envelope, checked here as its specification has it, by `cryptography` alone."""

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import STAMP, ingest, price_rows
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from proof_desk import PACK, Made

from resources.ledger.anchors import read_anchors
from resources.ledger.ledger import LEDGER_FIELDS, chain_hash
from resources.ledger.record_error import RecordError
from resources.ledger.signatures import KEY, signing_key
from resources.proofs.in_toto import envelope
from resources.store.warehouse import Warehouse


def opened(made: Made, proof: dict[str, Any]) -> dict[str, Any]:
    """The statement of an envelope whose signature holds over `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`."""
    with made.store.live() as con:
        found = envelope(con, proof, signing_key(), read_anchors(made.store.anchor))
    public = load_pem_public_key(made.public.read_bytes())
    body = base64.b64decode(found["payload"], validate=True)
    kind = found["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    [signature] = found["signatures"]
    public.verify(base64.b64decode(signature["sig"]), message)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert signature["keyid"] == hashlib.sha256(der).hexdigest()
    assert kind == "application/vnd.in-toto+json"
    return dict(json.loads(body))


def test_no_statement_is_signed_on_what_the_keys_holder_did_not_record(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write the home has no key, and the desk signs each statement anew."""
    store = Warehouse(shutil.copytree(made.store.home, tmp_path / "home"))
    proof, anchors = made.prove("pricing_packs", PACK), read_anchors(store.anchor)
    told = "update materializations set cells = '{\"ingests\": []}'"
    hidden = (
        "delete from ingests where ingest_seq = 1",
        "update ingests set ingest_seq = 99 where ingest_seq = 1",
    )
    nothing = "update materializations set cells = '{}'"
    for sql in ("update ingests set payload_sha256 = 'f00d'", told, *hidden, nothing, rehashed(store)):
        with store.live() as con:
            con.execute("begin")
            con.execute(sql)
            with pytest.raises(RecordError, match="not what the ledger tells"):
                envelope(con, proof, signing_key(), anchors)
            con.execute("rollback")
    monkeypatch.delenv(KEY)
    store.state_root(STAMP.at)  # a line that nobody signed
    with store.live() as con, pytest.raises(RecordError, match="has no signature: no statement is signed"):
        envelope(con, proof, made.public.with_suffix(""), read_anchors(store.anchor))


def rehashed(store: Warehouse) -> str:
    """The SQL of one who takes away what a ledger row wrote, and makes its hash anew: the signed root is left."""
    names = ", ".join(f'"{name}"' for name in LEDGER_FIELDS)
    with store.live() as con:
        [row] = con.execute(f"select {names} from materializations where id = 1").fetchall()
    digest = chain_hash({**dict(zip(LEDGER_FIELDS, row, strict=True)), "cells": "{}"})
    return f"update materializations set cells = '{{}}', this_hash = '{digest}' where id = 1"


def digests(items: list[dict[str, Any]]) -> dict[str, str]:
    return {item["name"]: item["digest"]["sha256"] for item in items}


def test_a_packs_subject_is_its_content_hash_and_its_materials_are_the_payloads(made: Made) -> None:
    told = opened(made, made.prove("pricing_packs", PACK))
    with made.store.live() as con:
        [(content, code)] = con.execute(
            "select p.content_hash, code_version from pricing_packs p join materializations m on m.id = materialization"
        ).fetchall()
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert digests(told["subject"]) == {f"packfolio:pricing_packs/{PACK}": content}
    assert digests(told["predicate"]["buildDefinition"]["resolvedDependencies"]) == {"a.csv": "abc"}
    assert told["predicate"]["runDetails"]["builder"]["id"] == f"urn:packfolio:code:{code}"
    assert told["predicate"]["runDetails"]["metadata"] == {
        "invocationId": "run-1",
        "finishedOn": "2024-01-05T22:00:00Z",
    }


def test_a_payload_that_came_after_the_pack_is_none_of_its_materials(made: Made, tmp_path: Path) -> None:
    store = Warehouse(shutil.copytree(made.store.home, tmp_path / "home"))
    with store.write(STAMP) as tx:
        ingest(tx, "prices", price_rows(close=102.0), "later.csv")
    told = opened(replace(made, store=store), made.prove("pricing_packs", PACK))
    assert digests(told["predicate"]["buildDefinition"]["resolvedDependencies"]) == {"a.csv": "abc"}


def test_a_trades_materials_are_its_inputs_and_the_payloads(made: Made) -> None:
    told = opened(made, made.proof)
    found = digests(told["predicate"]["buildDefinition"]["resolvedDependencies"])
    assert found.keys() == {
        "packfolio:pricing_pack",
        "packfolio:return_estimates",
        "packfolio:optimal_weights",
        "a.csv",
    }
    assert all(len(digest) == 64 for name, digest in found.items() if name != "a.csv")
    assert (
        told["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"]
        == made.proof["checkpoint"]["root"]
    )
