"""The part "Files" of the page, in a real browser: what people do with it, and what the server has afterwards."""

import gzip
import hashlib
import subprocess
from contextlib import contextmanager

import pytest
from conftest import PACKAGES
from images import encode, noise, quadrants
from proxies import PROXIES, Proxy, program
from server import BINARY, Server, starting

LARGE = 300_000_000
KEY = "millrace_the-key-of-a-page-that-is-tested"
RIGHTS = "pipe,upload,read,list,edit,delete,metrics"
LONG_NAME = f"{'a name without any blank that is as long as names may be '.replace(' ', '-') * 3}.png"
REFUSED = "Failed to load resource"  # Chromium's own line on each response that is an error


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose files all tests see: each has its own names."""
    with starting("workers") as start:
        yield start(f"--data={tmp_path_factory.mktemp('kept') / 'data'}", "--allow-request-identity")


@contextmanager
def own_server(tmp_path, *options, **more):
    with starting("workers") as start:
        yield start(f"--data={tmp_path / 'data'}", *options, **more)


def address(server):
    return f"http://127.0.0.1:{server.port}/"


def files_of(server, fields=()):
    return {file["name"]: file for file in server.get("/files?limit=1000", fields).json()["files"]}


def keep(server, name, body):
    response = server.request("PUT", f"/files/{name}", (), body)
    assert response.status == 201
    return response.json()["id"]


@pytest.fixture
def large(tmp_path):
    """A file of LARGE bytes that takes no room on the disk."""
    path = tmp_path / "large.bin"
    with open(path, "wb") as file:
        file.truncate(LARGE)
    return path


def assert_quiet(seen, *expected):
    """No complaint but those that are expected, and no request to another host."""
    assert [each for each in seen["complaints"] if not any(each.startswith(text) for text in expected)] == []
    assert seen["foreign"] == []


# ---- uploads ----


def test_a_large_file_is_uploaded_with_progress_and_speed(server, drive, large):
    seen = drive("page_files.mjs", address(server), "large", file=large)
    assert_quiet(seen)
    values = seen["values"]
    assert values == sorted(values) and values[-1] == LARGE
    assert len([value for value in values if 0 < value < LARGE]) >= 3, "it is seen how far it is"
    assert seen["speeds"] >= 1
    assert seen["rows"][0] == "large.bin" and files_of(server)["large.bin"]["size"] == LARGE


def test_several_files_are_sent_three_at_a_time(server, drive, tmp_path):
    names = [f"one of {number} ä%20.txt" for number in range(8)] + ["01M8MMF2NAXJFYWDJD7847071C"]  # as an id looks
    for name in names:
        (tmp_path / name).write_bytes(name.encode() * 50_000)
    seen = drive("page_files.mjs", address(server), "several", files=[tmp_path / name for name in names])
    assert_quiet(seen)
    assert seen["atOnce"] == 3 and seen["left"] == 0
    assert seen["status"] == "9 of 9 kept."
    assert {*names, "dropped.txt"} <= set(seen["rows"])
    kept = files_of(server)
    assert all(kept[name]["size"] == len(name.encode()) * 50_000 for name in names)


def test_an_upload_is_cancelled_and_tried_again_and_leaving_warns(drive, large, tmp_path):
    with own_server(tmp_path) as server:
        seen = drive("page_files.mjs", address(server), "cancel", {"list": lambda: list(files_of(server))}, file=large)
        assert_quiet(seen)
        assert seen["kind"] == "beforeunload" and seen["listed"] == []
        assert files_of(server)["large.bin"]["size"] == LARGE


def test_an_upload_is_tried_again_after_a_restart_of_the_server(drive, large, tmp_path):
    first = Server("workers", f"--data={tmp_path / 'data'}")
    port = first.port
    with starting("workers") as start:
        second = []

        def start_again():
            second.append(start(f"--data={tmp_path / 'data'}", f"--listen=127.0.0.1:{port}"))

        try:
            seen = drive("page_files.mjs", address(first), "restart", {"kill": first.kill, "start": start_again}, file=large)
        finally:
            first.kill()
        assert_quiet(seen, REFUSED)
        assert "The connection was lost" in seen["problem"] and seen["left"] == 0
        assert files_of(second[0])["large.bin"]["size"] == LARGE


def test_a_refusal_says_what_the_server_says(drive, large, tmp_path):
    with own_server(tmp_path, "--max-body=1MiB") as server:
        seen = drive("page_files.mjs", address(server), "refused", file=large)
        assert_quiet(seen, REFUSED)
        assert "max-body" in seen["problem"] and "1048576" in seen["problem"] and str(LARGE) in seen["problem"]
        assert seen["retry"]


def test_a_form_without_javascript_uploads_and_comes_back(drive, tmp_path):
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    with own_server(tmp_path) as server:
        seen = drive("page_files.mjs", address(server), "plain", files=[tmp_path / "one.txt", tmp_path / "two.txt"])
        assert_quiet(seen)
        assert seen["url"] == address(server) and seen["heading"].strip() == "Millrace"
        assert set(files_of(server)) == {"one.txt", "two.txt"}


# ---- the list ----


def test_the_list_is_read_a_page_at_a_time_and_deleting_asks(drive, tmp_path):
    with own_server(tmp_path) as server:
        for number in range(60):
            keep(server, f"{number}.txt", b"text")
        keep(server, "last.txt", b"text")
        seen = drive("page_files.mjs", address(server), "list")
        assert_quiet(seen)
        assert (seen["first"], seen["all"], seen["more"], seen["kept"]) == (50, 61, False, 1)
        assert "last.txt" not in files_of(server) and len(files_of(server)) == 60


def test_a_list_that_cannot_be_read_says_why(drive):
    with starting("workers") as start:
        seen = drive("page_files.mjs", address(start()), "unavailable")
        assert_quiet(seen, REFUSED)
        assert "--data DIR" in seen["problem"] and not seen["empty"]


# ---- a picture ----


def test_a_picture_follows_its_operations_and_an_old_request_is_aborted(server, drive):
    keep(server, "noise.png", noise(1600, 1200, "PNG"))

    def working():
        server.wait_for_metric("millrace_workers_busy", 1)

    seen = drive("page_files.mjs", address(server), "operations", {"working": working}, name="noise.png")
    assert_quiet(seen, REFUSED)
    assert len(seen["sizes"]) == 4 and all("ms" in text and "work" in text and "network" in text for text in seen["sizes"])
    # The fields are those of GET /pipe.
    stages = {stage["name"]: stage for stage in server.get("/pipe").json()["stages"]}
    known = {each["name"]: each for each in stages["image"]["parameters"]}
    for name, field in seen["fields"].items():
        if name == "other":
            continue
        assert field.get("min", "") == str(known[name].get("min", "")), name
        assert set(known[name].get("choices", [])) - {"none"} <= set(field["words"]), name
    assert seen["made"].startswith("300 × ") and "webp" in seen["made"]
    assert "aborted" in seen["aborted"] and "the server has cancelled" in seen["aborted"]
    assert any("ERR_ABORTED" in each and "/images/" in each for each in seen["failed"])
    assert server.metric("millrace_jobs_total", outcome="cancelled") >= 1
    assert "w must be" in seen["problem"] and seen["left"] == 0
    url, curl, html = seen["lines"]
    assert seen["copied"] == url and "w=200" in url and f"'{url}'" in curl
    assert all(f"{width}w" in html for width in (160, 320, 640, 1280)) and "&amp;" in html
    assert seen["split"] == "0%"
    target = url.removeprefix(address(server).rstrip("/"))
    assert server.get(target).status == 200


def test_a_focal_point_is_set_by_click_and_by_keys_and_is_stored(server, drive):
    wanted = keep(server, "focus.png", encode(quadrants(400, 300), "PNG"))

    def focal():
        return server.get(f"/files/{wanted}/info").json()["focal"]

    seen = drive("page_files.mjs", address(server), "focus", {"focal": focal}, name="focus.png")
    assert_quiet(seen)
    assert seen["clicked"] == {"x": pytest.approx(0.25, abs=0.01), "y": pytest.approx(0.75, abs=0.01)}
    assert seen["moved"] == {"x": pytest.approx(0.27, abs=0.01), "y": pytest.approx(0.65, abs=0.01)}
    assert seen["removed"] is None


# ---- through stages ----


def test_downloads_through_stages_are_what_curl_gets(server, drive, tmp_path):
    body = bytes(range(256)) * 4000 + b"the end"
    keep(server, "letter.bin", body)
    key = tmp_path / "key.txt"
    made = subprocess.run([BINARY, "keygen", key], capture_output=True, text=True, check=True)
    recipient = (made.stdout + made.stderr).split("Public key: ")[1].split()[0]
    identity = next(line for line in key.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-"))
    ways = [["gzip", {"level": "9"}], ["zstd", {}], ["encrypt", {"recipient": recipient, "passphrase": ""}],
            ["zstd/encrypt", {"recipient": "", "passphrase": "pässword of two words"}]]  # fmt: skip
    seen = drive("page_files.mjs", address(server), "through", name="letter.bin", directory=tmp_path, ways=ways)
    assert_quiet(seen, REFUSED)
    path = f"/files/{files_of(server)['letter.bin']['id']}"
    assert (tmp_path / "gzip").read_bytes() == server.get(f"{path}?through=gzip&level=9").body
    assert (tmp_path / "zstd").read_bytes() == server.get(f"{path}?through=zstd").body
    assert gzip.decompress((tmp_path / "link").read_bytes()) == body
    fields = {"Age-Identity": identity}
    assert server.post("/pipe/decrypt", (tmp_path / "encrypt").read_bytes(), fields).body == body
    fields = {"Age-Passphrase": "pässword of two words".encode().decode("latin-1")}
    assert server.post("/pipe/decrypt/unzstd", (tmp_path / "zstd-encrypt").read_bytes(), fields).body == body
    assert {way: told["suggested"] for way, told in seen["made"].items()} == {
        "gzip": "letter.bin.gz", "zstd": "letter.bin.zst", "encrypt": "letter.bin.age", "zstd/encrypt": "letter.bin.zst.age"}  # fmt: skip
    assert seen["suggested"] == "letter.bin.gz", "also of the link"
    assert all("B/s" in told["status"] for told in seen["made"].values())
    assert "gzip" in seen["problem"]


# ---- keys, keyboard, looks ----


def test_with_keys_behind_haproxy_images_are_fetched_with_the_key(drive, tmp_path):
    if program(PROXIES["haproxy"][1]) is None:
        pytest.skip("no haproxy: script/bootstrap --test fetches it")
    keys = tmp_path / "keys"
    keys.write_text(f"page sha256:{hashlib.sha256(KEY.encode()).hexdigest()} {RIGHTS}\n")
    keys.chmod(0o600)
    picture = tmp_path / "picture.png"
    picture.write_bytes(encode(quadrants(400, 300), "PNG"))
    signing = tmp_path / "signing"
    signing.write_text("one AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n")
    signing.chmod(0o600)
    options = (f"--api-keys={keys}", "--read=key", "--trust-proxy=127.0.0.1", f"--signing-keys={signing}")
    with own_server(tmp_path, *options, key=KEY) as server, Proxy("haproxy", server.port) as proxy:
        seen = drive("page_files.mjs", f"http://127.0.0.1:{proxy.port}/", "keyed", key=KEY, file=picture, name="picture.png", directory=tmp_path)
        assert_quiet(seen)
        assert seen["sources"] == ["blob"] and not seen["link"]
        assert (tmp_path / "whole").read_bytes() == picture.read_bytes()
        fields = {"Authorization": f"Bearer {KEY}"}
        path = f"/files/{files_of(server, fields)['picture.png']['id']}"
        assert (tmp_path / "zstd").read_bytes() == server.get(f"{path}?through=zstd", fields).body
        assert all("sig=" in line for line in seen["lines"]), "others have no key"


def test_everything_is_reached_with_the_keyboard(drive, tmp_path):
    picture = tmp_path / "keyboard.png"
    picture.write_bytes(encode(quadrants(400, 300), "PNG"))
    with own_server(tmp_path) as server:
        seen = drive("page_files.mjs", address(server), "keyboard", file=picture, name="keyboard.png")
        assert_quiet(seen)
        assert (seen["focused"], seen["back"], seen["kept"]) == ("keyboard.png", "keyboard.png", 1)
        assert files_of(server) == {}


def assert_looks(found):
    for each in found:
        where = f"{each['state']}, {each['colorScheme']}, {each['width']}"
        assert each["violations"] == [], where
        assert each["sticksOut"] <= 0, where
        assert_quiet(each, REFUSED)


def test_it_is_accessible_and_fits_in_the_light_and_in_the_dark_on_a_phone_and_at_a_desk(drive, tmp_path):
    if not (PACKAGES / "axe-core").exists():
        pytest.skip("needs axe-core (script/bootstrap --test)")
    with own_server(tmp_path, "--max-body=1MiB") as server:
        assert_looks(drive("page_files.mjs", address(server), "looks", states="empty", name=""))
        assert_looks(drive("page_files.mjs", address(server), "looks", states="uploads", name=LONG_NAME))
        keep(server, "letter.txt", b"a letter")
        keep(server, LONG_NAME, encode(quadrants(1200, 800), "PNG"))
        assert_looks(drive("page_files.mjs", address(server), "looks", states="all", name=LONG_NAME))
