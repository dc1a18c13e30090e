"""The part Loop of the page: the switch, the load, what the loop says beside what the browser felt.

MILLRACE_SCREENSHOTS  a directory for the browser's pictures, to look at (default: none are taken)
"""

import os
from hashlib import sha256

import pytest
from conftest import PACKAGES
from proxies import PROXIES, Proxy, program
from server import starting

FELT, SAID, STILL = "this browser felt", "the loop says: max", "the stream stood still"


@pytest.fixture(autouse=True)
def axe():
    if not (PACKAGES / "axe-core").exists():
        pytest.skip("needs axe-core (script/bootstrap --test)")


@pytest.fixture
def see(browse):
    """see(server, step, key): the facts of a browser that complained of nothing."""

    def look(server, step, key=""):
        seen = browse("page_loop.mjs", f"http://127.0.0.1:{server.port}", step, os.environ.get("MILLRACE_SCREENSHOTS", ""), key)
        assert seen["complaints"] == []
        return seen["facts"]

    return look


@pytest.fixture(scope="module")
def lab():
    with starting("workers") as start:
        yield start("--lab")


def test_the_switch_stops_the_loop_and_both_lines_show_it(lab, see):
    seen = see(lab, "switched")
    longest = max(seen["lines"][STILL])
    assert longest > 0.35 and max(seen["lines"][SAID]) > 0.35, "no event came, and the loop says that it was late"
    assert max(seen["lines"][FELT]) > 0.35, "a request that was due in the stall waited, too"
    assert [row[0] for row in seen["rows"]] == ["inline", "workers"]
    assert all(row[1].startswith("image, ") and "-" not in row[2:7] for row in seen["rows"])
    assert [int(row[7]) for row in seen["rows"]][1] == 40 and int(seen["rows"][0][7].replace(",", "")) > 0
    assert seen["again"] == seen["rows"], "the table stays"
    assert seen["violations"] == []


def test_workers_and_inline_are_compared_in_words(lab, see):
    seen = see(lab, "compared")
    assert [row[0] for row in seen["rows"]] == ["workers", "inline"]
    for word in ("workers", "inline", "p99"):
        assert word in seen["words"]


def test_the_switch_goes_back_by_itself(lab, see):
    seen = see(lab, "back")
    assert seen["words"].startswith("Back to workers by itself in ") and seen["then"] == ""


def test_a_hidden_tab_and_another_part_have_no_stream(lab, see):
    assert see(lab, "hidden") == [1, 0, 1, 0]


def test_without_a_lab_the_page_says_how_to_get_one_and_draws(see):
    with starting("workers") as start:
        seen = see(start(), "closed")
    assert "--lab" in seen["off"] and not seen["isShown"]
    assert seen["felt"][FELT] and seen["violations"] == []


def keys_with(tmp_path, key, rights):
    path = tmp_path / "keys"
    path.write_text(f"page sha256:{sha256(key.encode()).hexdigest()} {rights}\n")
    path.chmod(0o600)
    return path


def test_with_a_key_of_an_administrator_behind_haproxy_it_is_as_without(see, tmp_path):
    if program(PROXIES["haproxy"][1]) is None:
        pytest.skip("no haproxy: script/bootstrap --test fetches it")
    key = "a-key-of-an-administrator"
    path = keys_with(tmp_path, key, "metrics,admin")
    with starting("workers") as start:
        server = start("--lab", f"--api-keys={path}", "--trust-proxy=127.0.0.1", key=key)
        with Proxy("haproxy", server.port) as proxy:
            seen = see(proxy, "keyed", key)
    assert [(row[0], row[7]) for row in seen["rows"]] == [("none", "40")] and not seen["off"]
    assert "Queue" in seen["headings"] and "Server" in seen["headings"]


def test_without_the_right_the_page_names_it_and_draws(see, tmp_path):
    key = "a-key-that-reads-figures"
    path = keys_with(tmp_path, key, "metrics")
    with starting("workers") as start:
        seen = see(start("--lab", f"--api-keys={path}", key=key), "closed", key)
    assert "admin" in seen["off"] and not seen["isShown"] and seen["felt"][FELT]
