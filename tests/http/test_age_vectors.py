"""The test vectors of age (c2sp.org/CCTV/age, npm package cctv-age) by way of HTTP.

script/bootstrap --test puts them into .cache/cctv-age, one file each, where npm is installed.
"""

import hashlib
import json
import re
import zlib

import pytest
from agefiles import Key, released
from server import ROOT
from streams import assert_refused_or_cut, exchange

VECTORS = ROOT / ".cache/cctv-age"
NAMES = sorted(path.name for path in VECTORS.glob("*")) if VECTORS.is_dir() else []

pytestmark = [pytest.mark.once, pytest.mark.skipif(not NAMES, reason="no test vectors in .cache/cctv-age")]


class Vector:
    def __init__(self, name):
        head, _, self.file = (VECTORS / name).read_bytes().partition(b"\n\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\n")]
        self.values = {}
        for field, value in fields:
            self.values.setdefault(field, []).append(value)
        if self.first("compressed"):
            assert self.first("compressed") == "zlib"
            self.file = zlib.decompress(self.file)

    def first(self, field):
        return self.values.get(field, [None])[0]

    @property
    def identity(self):
        """Of a kind that the server knows, if there is one."""
        identities = self.values.get("identity", [])
        return next((each for each in identities if not each.startswith("AGE-SECRET-KEY-PQ-")), identities[0] if identities else None)

    @property
    def is_hybrid(self):
        """For X25519 and ML-KEM-768 together, which the server does not know."""
        return self.identity is not None and self.identity.startswith("AGE-SECRET-KEY-PQ-")

    def fields(self):
        found = {"Age-Identity": self.identity, "Age-Passphrase": self.first("passphrase")}
        return {name: value for name, value in found.items() if value is not None}


def kind(outcome):
    return json.loads(outcome.body)["type"].removeprefix("urn:millrace:problem:")


@pytest.fixture
def server(share):
    return share("--allow-request-identity")


@pytest.mark.unsanitized("the unit tests run them all")
@pytest.mark.parametrize("chunk", [None, 1000], ids=["with_a_length", "in_chunks"])
@pytest.mark.parametrize("name", NAMES or [None])
def test_the_vector(server, name, chunk, tmp_path):
    vector = Vector(name)
    if vector.is_hybrid:
        outcome = exchange(server, "/pipe/decrypt", vector.file, vector.fields(), chunk)
        assert outcome.whole and outcome.status == 400 and kind(outcome) == "bad-parameter", outcome
        return
    outcome = exchange(server, "/pipe/decrypt", vector.file, vector.fields(), chunk)
    expect = vector.first("expect")
    if expect == "success":
        assert outcome.whole and outcome.status == 200, outcome
        assert hashlib.sha256(outcome.body).hexdigest() == vector.first("payload")
    elif expect == "no match":
        assert outcome.whole and outcome.status == 422 and kind(outcome) == "no-matching-key", outcome
    elif expect in ("HMAC failure", "header failure"):
        refusals = ((415, "wrong-format"), (422, "corrupt-input"), (422, "work-factor"))
        assert outcome.whole and (outcome.status, kind(outcome)) in refusals, outcome
        if kind(outcome) == "work-factor":
            assert name in ("scrypt_work_factor_23", "scrypt_work_factor_overflow")
    elif expect == "armor failure":
        assert outcome.whole and outcome.status in (415, 422) and kind(outcome) in ("wrong-format", "corrupt-input"), outcome
    else:
        assert expect == "payload failure", "a kind of failure that is not known here"
        assert_refused_or_cut(outcome, (422,))
        if not outcome.whole:
            (tmp_path / "key").write_text(vector.identity + "\n")
            assert released(vector.file, Key(tmp_path / "key", vector.identity, "")).startswith(outcome.body)


@pytest.mark.parametrize("name", [name for name in NAMES if re.match(r"(armor_)?hybrid", name)] or [None])
def test_a_file_for_hybrid_keys_has_no_key_here(server, name):
    """An X25519 identity neither opens it nor is confused by it."""
    vector = Vector(name)
    outcome = exchange(server, "/pipe/decrypt", vector.file, {"Age-Identity": Vector("x25519").identity})
    assert outcome.whole, outcome
    if outcome.status == 422 and kind(outcome) == "no-matching-key" and name != "hybrid_uppercase":  # that is no known type
        assert "post-quantum" in json.loads(outcome.body)["detail"]
    if outcome.status == 200:
        assert name == "hybrid_and_x25519" or vector.first("expect") == "success", outcome
    else:
        assert (outcome.status, kind(outcome)) in ((415, "wrong-format"), (422, "no-matching-key"), (422, "corrupt-input")), outcome


def test_all_vectors_are_there():
    assert len(NAMES) >= 140
    expected = {Vector(name).first("expect") for name in NAMES}
    assert expected == {"success", "no match", "HMAC failure", "header failure", "payload failure", "armor failure"}
