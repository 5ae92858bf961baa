// A second checker of proofs, in another language: Node's own crypto, nothing else. Prints `proven`, or what is wrong.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const [proofFile, keyFile] = process.argv.slice(2);
const proof = JSON.parse(readFileSync(proofFile, "utf8"));
const sha = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const hex = (text) => sha(text).toString("hex");
const bytes = (text) => Buffer.from(text, "hex");
const must = (holds, what) => { if (!holds) { console.log(what); process.exit(3); } };
const split = (size) => { let k = 1; while (2 * k < size) k *= 2; return k; };

// RFC 6962, the recursive definition read backwards: the path's last hash is the root's other half.
const rootOf = (leaf, index, size, path) => {
  if (size === 1) return path.length ? null : leaf;
  if (!path.length) return null;
  const k = split(size), other = path.at(-1), rest = path.slice(0, -1);
  const inner = index < k ? rootOf(leaf, index, k, rest) : rootOf(leaf, index - k, size - k, rest);
  return inner && (index < k ? sha("\x01", inner, other) : sha("\x01", other, inner));
};
// [older root, newer root] of a consistency path; `whole` while the older tree is still a left edge.
const rootsOf = (old, size, path, whole, known) => {
  if (old === size) return whole ? [known, known] : [path[0], path[0]];
  const k = split(size), other = path.at(-1), rest = path.slice(0, -1);
  if (old <= k) { const [a, b] = rootsOf(old, k, rest, whole, known); return [a, sha("\x01", b, other)]; }
  const [a, b] = rootsOf(old - k, size - k, rest, false, known);
  return [sha("\x01", other, a), sha("\x01", other, b)];
};

const signed = (line, key, name) => {
  const { signature, countersignature, ...told } = line;
  const text = Object.keys(told).sort().map((n) => `${JSON.stringify(n)}: ${JSON.stringify(told[n])}`).join(", ");
  return verify(null, Buffer.from(`packfolio anchor\n{${text}}`), key, Buffer.from(line[name], "base64"));
};
let key = createPublicKey(readFileSync(keyFile));
const named = (text) => ({ kty: "OKP", crv: "Ed25519", x: Buffer.from(text, "base64").toString("base64url") });
for (const line of proof.keys) {
  if (!line.new_key || line.number >= proof.checkpoint.number || !signed(line, key, "signature")) continue;
  key = createPublicKey({ key: named(line.new_key), format: "jwk" });
  must(signed(line, key, "countersignature"), `line ${line.number}`);
}
must(signed(proof.checkpoint, key, "signature"), "signature");
const { count, root } = proof.checkpoint;
const isRoot = (found) => found !== null && found.toString("hex") === root;
must(isRoot(rootOf(sha("\x00", bytes(proof.checkpoint.head)), count - 1, count, proof.head.map(bytes))), "head");

const ledger = new Map();
for (const { text, path } of proof.ledger) {
  const row = JSON.parse(text);
  must(isRoot(rootOf(sha("\x00", sha(text)), row[0] - 1, count, path.map(bytes))), `ledger row ${row[0]}`);
  ledger.set(row[0], { inputs: JSON.parse(row[8]), cells: JSON.parse(row[11]) });
}
const textOf = (row) => Object.keys(row).sort().map((n) => `${n}=${row[n].replaceAll("\x1f", "\x1f\x1f")}`).join("\x1f");
for (const { ledger_row, row, index, path } of proof.units) {
  const covers = ledger.get(ledger_row), [root, shorts] = covers.cells.materialization_units;
  const found = rootOf(sha("\x00", sha(textOf(row))), index, shorts.length / 8, path.map(bytes));
  must(found !== null && found.toString("hex") === root, `the unit of ledger row ${ledger_row}`);
  ledger.set(ledger_row, { inputs: { ...covers.inputs, ...JSON.parse(row.input_hashes) }, cells: JSON.parse(row.cells) });
}
for (const { ledger_row, table, rows, others } of proof.cells) {
  const texts = rows.map(textOf);
  const digest = hex([...texts.map(hex), ...others].sort().join(""));
  must(ledger.get(ledger_row).cells[table][0] === digest, `${table} of ledger row ${ledger_row}`);
}
const logs = [...ledger.values()].map((row) => row.inputs.logs).filter(Boolean);
must(logs.length === 1 && logs[0] === hex(proof.leaves.join("\n")), "the pack's dates");
const PRICES = ["symbol", "day", "open", "high", "low", "close", "volume", "dividend", "split", "source", "basis",
  "currency", "simulated", "known_at"];
const seen = new Map();
for (const { log, date, rows, others } of proof.logs) {
  const told = log === "prices" ? (row) => PRICES.map((name) => row[name]).join("|") : textOf;
  const opened = rows.map((row) => hex(told(row)).slice(0, 32).toUpperCase());
  const known = [...opened, ...others].sort();
  const place = `${log}|${date}`, leaf = proof.leaves.includes(`${place}|${hex(known.join(""))}`);
  const now = seen.get(place) ?? { opened: [], known: null };
  seen.set(place, { opened: [...now.opened, ...opened], known: leaf ? known : now.known });
}
for (const [place, { opened, known }] of seen) must(known && opened.every((one) => known.includes(one)), place);
for (const { count: old, root: before, path } of proof.links) {
  const [a, b] = rootsOf(old, count, path.map(bytes), true, bytes(before));
  must(a.toString("hex") === before && isRoot(b), `link to ${old}`);
}
console.log("proven");
