"""The servers in Node.js of `script/bench lab --node` do the work that the lab asks of them, each in its way.

Their packages are those that the benchmark fetches, in .cache/bench/sharp.
"""

import gzip
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from images import decode, noise
from server import ROOT

HOME = ROOT / ".cache/bench/sharp"
OPEN = """const sealed = require("fs").readFileSync(0), c = require("crypto");
    const d = c.createDecipheriv("aes-256-gcm", Buffer.alloc(32, 7), sealed.subarray(0, 12)).setAuthTag(sealed.subarray(-16));
    process.stdout.write(Buffer.concat([d.update(sealed.subarray(12, -16)), d.final()]));"""
SOURCE = ROOT / "tests/perf/sharp/lab.js"

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", params=["handler", "pool", "threads"])
def url(request):
    if shutil.which("node") is None or not all((HOME / "node_modules" / name).exists() for name in ("sharp", "wasm-vips")):
        pytest.skip("needs node and the npm packages that script/bench lab --node fetches")
    environment = os.environ | {"NODE_PATH": str(HOME / "node_modules")}
    server = subprocess.Popen(["node", SOURCE, request.param], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = server.stderr.readline()
        assert line.startswith("listening on "), line
        yield line.split()[-1]
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode == 0


def post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST"), timeout=60) as response:
        return response.headers["Content-Type"], response.read()


def it_lives(url):
    with urllib.request.urlopen(f"{url}/healthz", timeout=60) as response:
        assert response.read() == b'{"status":"ok"}'


def an_image_is_300_pixels_wide(url):
    kind, body = post(f"{url}/image", noise(800, 400))
    assert kind == "image/jpeg" and decode(body).size == (300, 150)


def gzip_holds_what_was_sent(url):
    body = bytes(range(256)) * 4096
    assert gzip.decompress(post(f"{url}/gzip", body)[1]) == body


def what_is_encrypted_can_be_decrypted_and_has_a_nonce_of_its_own(url):
    body = b"a secret " * 1000
    one, two = (post(f"{url}/encrypt", body)[1] for _ in range(2))
    assert one[:12] != two[:12]
    for sealed in (one, two):
        opened = subprocess.run(["node", "-e", OPEN], input=sealed, capture_output=True, timeout=60)
        assert opened.stdout == body, opened.stderr


def many_at_once_are_all_right(url):
    """More than there are threads: each response is of its own request."""
    script = "import sys, gzip, urllib.request as u\nfor i in range(5):\n    b = sys.argv[2].encode() * 5000\n" \
             "    assert gzip.decompress(u.urlopen(sys.argv[1], b).read()) == b\n"
    clients = [subprocess.Popen([sys.executable, "-c", script, f"{url}/gzip", f"client {i} "]) for i in range(6)]
    assert [client.wait(120) for client in clients] == [0] * 6


def what_is_no_image_is_422_and_the_server_goes_on(url):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{url}/image", b"no image")
    assert refused.value.code == 422
    with pytest.raises(urllib.error.HTTPError) as unknown:
        post(f"{url}/video", b"")
    assert unknown.value.code == 404
    assert decode(post(f"{url}/image", noise(800, 400))[1]).size == (300, 150)


WORK = [
    it_lives,
    an_image_is_300_pixels_wide,
    gzip_holds_what_was_sent,
    what_is_encrypted_can_be_decrypted_and_has_a_nonce_of_its_own,
    many_at_once_are_all_right,
    what_is_no_image_is_422_and_the_server_goes_on,
]


def test_the_server_does_the_work_of_the_lab(url):
    """One test, so that it is skipped once."""
    for check in WORK:
        check(url)
