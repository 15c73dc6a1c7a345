#!/usr/bin/env python3
"""Recomputes ids, leaves, roots and block ids of the frozen vectors from their raw bytes.

Written from docs/formats.md alone; the numbers in comments are its sections. It shares no code with the ledger.
Usage: recompute.py FOLDER      exit code 0: all agree, 1: something differs, 2: the folder cannot be read.
"""

import hashlib
import json
import sys
from pathlib import Path

from blake3 import blake3

ZERO = bytes(32)
CHECKS = 0
WRONG = []


def expect(where, found, computed):
    """Compares a frozen value, in hexadecimal, with computed bytes."""
    global CHECKS
    CHECKS += 1
    if found != computed.hex():
        WRONG.append(f"{where}: frozen {found}, computed {computed.hex()}")


def u(value, bits):
    return value.to_bytes(bits // 8, "big")


# 2 Hashes


def H(what, *parts):
    material = b"".join(u(len(part), 32) + part for part in parts)
    return blake3(material, derive_key_context=f"octroi/{what}/v1").digest()


def keyed(key, message):
    return blake3(message, key=key).digest()


LIST_LEAF_KEY = bytes.fromhex("e7a858c56b369725bc671f7503cdb80bc43e5e413ecdf00c309cd0b971603238")
LIST_NODE_KEY = bytes.fromhex("2f2de6b7cd5af0921e6f3fef38a7dfc7fdd1a60ba7281ad092a902b19301e402")
STATE_LEAF_KEY = bytes.fromhex("e0f0cd07eb3c9213e5083d4ae3c5ac4db8e885afa5fcd2eb915198afeb9057f3")
STATE_NODE_KEY = bytes.fromhex("02edf7204e51c4defe7bcd5c3dc4a47f5f2fd855f442bbf3f4bbe224b80e800f")

# 3 Canonical protobuf, as far as it must be read here


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if shift > 7 and byte == 0:
                raise ValueError("a varint is longer than it need be")
            return value, at


def fields(data):
    """The fields of a message in order: (number, value), values being int or bytes."""
    at, result, last = 0, [], 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number < last:
            raise ValueError("fields do not ascend")
        last = number
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
            if len(value) != length:
                raise ValueError("a field is cut off")
        else:
            raise ValueError(f"wire type {kind} is not used")
        result.append((number, value))
    return result


def message(data):
    """The fields of a message by number; of a repeated field the list."""
    result = {}
    for number, value in fields(data):
        result.setdefault(number, []).append(value)
    return result


def one(fields_by_number, number, default=b""):
    values = fields_by_number.get(number, [default])
    if len(values) != 1:
        raise ValueError(f"field {number} stands there {len(values)} times")
    return values[0]


# 4 Signed messages


def signed(what, network, content):
    return f"octroi/{what}/v1".encode() + b"\0" + network + content


# 5 Transactions


def transaction_id(body):
    return H("transaction", body)


def transaction_leaf(signed_transaction):
    envelope = message(signed_transaction)
    pairs = b""
    last = b""
    for entry in envelope[2]:
        signature = message(entry)
        key = one(signature, 1)
        if key <= last:
            raise ValueError("keys do not ascend")
        last = key
        pairs += key + one(signature, 2)
    return H("transaction-leaf", transaction_id(one(envelope, 1)), pairs)


# 6 Receipts and events


def receipt_leaf(receipt):
    return H("receipt", receipt)


def event_of(receipt):
    """Kind and bytes of the event of an applied receipt."""
    ((kind, event),) = fields(one(message(receipt), 2))
    return kind, event


# 7 Lists under a root, 8 the log of blocks


def split_at(count):
    size = 1
    while size * 2 < count:
        size *= 2
    return size


def root(entries, empty, leaf, node):
    if not entries:
        return empty
    if len(entries) == 1:
        return leaf(entries[0])
    at = split_at(len(entries))
    return node(root(entries[:at], empty, leaf, node), root(entries[at:], empty, leaf, node))


def list_root(entries):
    return root(
        entries,
        ZERO,
        lambda entry: keyed(LIST_LEAF_KEY, entry),
        lambda left, right: keyed(LIST_NODE_KEY, left + right),
    )


def log_root(entries):
    sha = lambda data: hashlib.sha256(data).digest()
    return root(entries, sha(b""), lambda entry: sha(b"\0" + entry), lambda left, right: sha(b"\1" + left + right))


# 9 The state tree


def state_root(pairs, depth=0):
    if not pairs:
        return ZERO
    if len(pairs) == 1:
        ((key, value),) = pairs
        return keyed(STATE_LEAF_KEY, key + value)
    bit = lambda key: key[depth // 8] >> (7 - depth % 8) & 1
    left = [pair for pair in pairs if bit(pair[0]) == 0]
    right = [pair for pair in pairs if bit(pair[0]) == 1]
    return keyed(STATE_NODE_KEY, state_root(left, depth + 1) + state_root(right, depth + 1))


# 10 Records


def apply_rows(where, state, rows):
    for row in rows:
        key = H("state-key", u(row["table"], 16), bytes.fromhex(row["key"]))
        expect(f"{where} key of table {row['table']}", row["tree_key"], key)
        if row["stored"] is None:
            state.pop(key, None)
        else:
            value = H("state-value", bytes.fromhex(row["stored"]))
            expect(f"{where} value of table {row['table']}", row["tree_value"], value)
            state[key] = value


def check_kind(document, network):
    where = document["kind"]
    receipt = bytes.fromhex(document["receipt"]["bytes"])
    expect(f"{where} receipt leaf", document["receipt"]["leaf"], receipt_leaf(receipt))
    kind, event = event_of(receipt)
    expect(f"{where} tag", u(document["tag"], 16).hex(), u(kind, 16))
    expect(f"{where} event", document["receipt"]["event"]["bytes"], event)
    place = u(document["height"], 64), u(document["receipt_index"], 32), u(kind, 16)
    expect(f"{where} event hash", document["receipt"]["event"]["hash"], H("event", *place, event))
    transaction = document["transaction"]
    if transaction is None:
        return
    body = bytes.fromhex(transaction["body"])
    identity = transaction_id(body)
    expect(f"{where} network", transaction["network"], network)
    expect(f"{where} network in the body", transaction["network"], one(message(body), 1))
    expect(f"{where} id", transaction["id"], identity)
    expect(f"{where} id in the receipt", transaction["id"], one(message(receipt), 1))
    expect(f"{where} signing bytes", transaction["signing_bytes"], signed("transaction", network, identity))
    envelope = bytes.fromhex(transaction["signed"])
    expect(f"{where} body in the envelope", transaction["body"], one(message(envelope), 1))
    expect(f"{where} leaf", transaction["leaf"], transaction_leaf(envelope))


def check_votes(where, block, network, identity):
    certificate = message(bytes.fromhex(block["certificate"]))
    height, decided = one(certificate, 1, 0), one(certificate, 2, 0)
    expect(f"{where} block in the certificate", identity.hex(), one(certificate, 3))
    content = b"\2" + u(height, 64) + u(decided, 32) + b"\1" + identity
    for vote, entry in zip(block["votes"], certificate[4], strict=True):
        signature = message(entry)
        expect(f"{where} vote", vote["signing_bytes"], signed("vote", network, content))
        expect(f"{where} voter", vote["validator"], one(signature, 1))
        expect(f"{where} signature", vote["signature"], one(signature, 2))


def check_chain(document):
    genesis = bytes.fromhex(document["genesis"])
    network = H("genesis", genesis)
    expect("network", document["network"], network)
    state = {}
    apply_rows("genesis", state, document["genesis_rows"])
    expect("genesis state root", document["genesis_state_root"], state_root(list(state.items())))
    log, last_commit = [network], ZERO
    for block in document["blocks"]:
        where = f"height {block['height']}"
        header = bytes.fromhex(block["header"])
        said = message(header)
        # 13: what each field of the header must be.
        leaves = [transaction_leaf(bytes.fromhex(one)) for one in block["transactions"]]
        for frozen, computed in zip(block["transaction_leaves"], leaves, strict=True):
            expect(f"{where} transaction leaf", frozen, computed)
        transactions_root = list_root(leaves)
        receipts_root = list_root([receipt_leaf(bytes.fromhex(one)) for one in block["receipts"]])
        apply_rows(where, state, block["rows"])
        validators_hash = H("validator-set", bytes.fromhex(block["validators"]))
        computed = {
            2: ("network", network),
            6: ("parent", log[-1]),
            8: ("transactions_root", transactions_root),
            9: ("receipts_root", receipts_root),
            10: ("state_root", state_root(list(state.items()))),
            11: ("validators_hash", validators_hash),
            13: ("last_commit_hash", last_commit),
            14: ("log_root", log_root(log)),
        }
        for number, (name, value) in computed.items():
            expect(f"{where} {name} in the header", one(said, number).hex(), value)
            if name in block:
                expect(f"{where} {name}", block[name], value)
        identity = H("block", header)
        expect(f"{where} id", block["id"], identity)
        check_votes(where, block, network, identity)
        last_commit = H("commit-certificate", bytes.fromhex(block["certificate"]))
        expect(f"{where} certificate hash", block["certificate_hash"], last_commit)
        log.append(identity)
    return network


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    # 2: the keys are hashes themselves.
    names = [("list_leaf", LIST_LEAF_KEY), ("list_node", LIST_NODE_KEY), ("state_leaf", STATE_LEAF_KEY), ("state_node", STATE_NODE_KEY)]
    for name, key in names:
        expect(name, key.hex(), H(name))
    documents = {path.stem: json.loads(path.read_text()) for path in sorted(Path(sys.argv[1]).glob("*.json"))}
    if "chain" not in documents:
        print(f"recompute: no chain.json in {sys.argv[1]}", file=sys.stderr)
        return 2
    network = check_chain(documents.pop("chain"))
    for document in documents.values():
        check_kind(document, network)
    for line in WRONG[:20]:
        print(f"recompute: {line}", file=sys.stderr)
    print(f"recompute: {CHECKS} values of {len(documents)} kinds and one chain, {len(WRONG)} differ")
    return 1 if WRONG else 0


if __name__ == "__main__":
    sys.exit(main())
