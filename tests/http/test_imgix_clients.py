"""Addresses that imgix' own library and unpic build are served, once they name this server.

Both (@imgix/js-core and unpic, from npm) are in .cache/npm, where script/bootstrap --test puts them.
"""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from images import decode, encode, noise
from PIL import Image
from server import ROOT

PACKAGES = ROOT / ".cache/npm/node_modules"
CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"

pytestmark = pytest.mark.once


@pytest.fixture
def built(kept):
    """build(body): their addresses of this picture."""
    if shutil.which("node") is None or not all((PACKAGES / name).exists() for name in ("@imgix/js-core", "unpic")):
        pytest.skip("needs node and the npm packages of script/bootstrap --test")

    def build(body):
        image = kept.post("/files", body).json()["image"]
        command = ["node", Path(__file__).with_name("imgix.mjs"), image]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return build


def get(server, url, accept="*/*"):
    """What this server sends for an address of another host."""
    parts = urlsplit(url)
    assert parts.hostname == "shop.imgix.net"
    response = server.get(f"{parts.path}?{parts.query}", [("Accept", accept)])
    assert response.status == 200, (url, response.body)
    return response


def test_addresses_of_imgix_s_library(kept, built):
    urls = built(noise(300, 200))["urls"]
    assert all("ixlib=js-" in url for url in urls) and "&s=" in urls[-1]
    sizes = [decode(get(kept, url).body).size for url in urls]
    assert sizes == [(300, 200), (120, 80), (50, 33), (60, 40)]
    kinds = [[get(kept, url, accept)["Content-Type"] for url in urls] for accept in ("*/*", CHROMIUM)]
    assert kinds[0] == ["image/jpeg", "image/jpeg", "image/webp", "image/jpeg"]
    assert kinds[1] == ["image/jpeg", "image/avif", "image/webp", "image/avif"]


def test_its_srcset_of_widths(kept, built):
    """All 31 candidates, up to 8,192 pixels."""
    fluid = built(encode(Image.new("RGB", (400, 2), "teal"), "JPEG"))["fluid"]
    assert len(fluid) > 20 and fluid[-1][1] == "8192w"
    for url, width in fluid:
        assert f"{decode(get(kept, url).body).width}w" == width


def test_its_srcset_of_ratios_lowers_the_quality(kept, built):
    fixed = built(noise(300, 200))["fixed"]
    assert [ratio for _, ratio in fixed] == ["1x", "2x", "3x", "4x", "5x"]
    images = [get(kept, url).body for url, _ in fixed]
    assert [decode(image).height for image in images] == [10, 20, 30, 40, 50]
    assert len(images[4]) < 25 * len(images[0]), "of lower quality"


def test_addresses_of_unpic(kept, built):
    urls = built(noise(300, 200))["unpic"]
    assert "auto=format" in urls[0] and "fit=min" in urls[0]
    assert [decode(get(kept, url).body).size for url in urls] == [(100, 50), (100, 67), (40, 40)]
    assert [get(kept, url, CHROMIUM)["Content-Type"] for url in urls] == ["image/avif", "image/webp", "image/avif"]
