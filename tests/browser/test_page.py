"""The page at /: its parts, one at a time, and the key that it asks for."""

from hashlib import sha256

import pytest
from conftest import PACKAGES
from server import starting

KEY = "the-key-of-the-page"


@pytest.fixture(autouse=True)
def axe():
    if not (PACKAGES / "axe-core").exists():
        pytest.skip("needs axe-core (script/bootstrap --test)")


def test_parts_are_shown_one_at_a_time(browse, tmp_path):
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}")
        seen = browse("shell.mjs", f"http://127.0.0.1:{server.port}")
        assert seen["complaints"] == []
        assert seen["facts"]["parts"] == {name: {"title": f"{name} · Millrace", "shown": 1, "faults": []} for name in ("Files", "Loop", "Operator")}
        assert seen["facts"]["version"].startswith("Millrace 0")


def test_a_key_is_asked_for_until_the_server_knows_it(browse, tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"page sha256:{sha256(KEY.encode()).hexdigest()} upload,read,list,metrics\n")
    path.chmod(0o600)
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}", f"--api-keys={path}", key=KEY)
        seen = browse("shell.mjs", f"http://127.0.0.1:{server.port}", KEY)
        assert seen["complaints"] == [] and len(seen["facts"]["parts"]) == 3 and seen["facts"]["ofDialog"] == []
