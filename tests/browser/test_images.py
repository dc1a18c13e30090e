"""Pages of another site that show stored images, in a real browser: the right candidate, in the best format, usable in a canvas."""

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYWRIGHT = ROOT / ".cache/npm/node_modules/playwright-core"
sys.path.insert(0, str(ROOT / "tests/http"))
from images import noise, photo  # noqa: E402
from server import starting  # noqa: E402

WIDTHS = (200, 400, 800, 1600)
PAGE = """<!doctype html><meta charset="utf-8"><title>images</title><link rel="icon" href="data:,"><style>img {{ width: 100% }}</style>
<img id="fluid" sizes="100vw" srcset="{fluid}">
<img id="fixed" src="{image}?w=100&amp;auto=format" srcset="{image}?w=100&amp;auto=format 1x, {image}?w=200&amp;auto=format 2x">
<picture><source type="image/avif" srcset="{image}?w=120&amp;fm=avif"><source type="image/webp" srcset="{image}?w=120&amp;fm=webp">
<img id="picture" src="{image}?w=120"></picture>
<picture><source type="image/unheard-of" srcset="{image}?w=130&amp;fm=gif"><source type="image/webp" srcset="{image}?w=130&amp;fm=webp">
<img id="second" src="{image}?w=130"></picture>
<img id="canvas" crossorigin="anonymous" src="{plain}?w=90&amp;h=90&amp;fit=crop&amp;crop=top,left&amp;auto=format">
<img id="jpeg" crossorigin="anonymous" src="{plain}?w=80&amp;h=80&amp;fit=crop&amp;crop=top,left&amp;fm=jpg">
"""


class Isolated(http.server.SimpleHTTPRequestHandler):
    """A site that shows only what others allow it to (COEP: require-corp)."""

    def end_headers(self):
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def pages(tmp_path):
    """The directory of another site, and its origin."""
    directory = tmp_path / "pages"
    directory.mkdir()
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Isolated, directory=directory))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield directory, f"http://localhost:{site.server_port}"
    site.shutdown()


def look(page, width, ratio):
    command = ["node", Path(__file__).with_name("srcset.mjs"), shutil.which("chromium"), page, str(width), str(ratio)]
    done = subprocess.run(command, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_pages_of_another_site_show_the_right_images(pages, tmp_path):
    if shutil.which("chromium") is None or shutil.which("node") is None or not PLAYWRIGHT.exists():
        pytest.skip("needs chromium, node and playwright-core (script/bootstrap --test)")
    directory, origin = pages
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}", "--read=public")
        host = f"http://127.0.0.1:{server.port}"
        image = host + server.post("/files", noise(1600, 200)).json()["image"]
        plain = host + server.post("/files", photo(400, 200)).json()["image"]
        fluid = ", ".join(f"{image}?w={width}&amp;auto=format {width}w" for width in WIDTHS)
        (directory / "index.html").write_text(PAGE.format(image=image, plain=plain, fluid=fluid), "utf-8")
        for viewport, ratio, wanted in ((390, 1, 400), (390, 2, 800), (1000, 1, 1600)):
            seen = look(f"{origin}/index.html", viewport, ratio)
            assert seen["complaints"] == []
            images = seen["images"]
            assert {name: each["type"] for name, each in images.items()} == {
                "fluid": "image/avif", "fixed": "image/avif", "picture": "image/avif", "second": "image/webp", "canvas": "image/avif",
                "jpeg": "image/jpeg"}  # fmt: skip
            assert f"?w={wanted}&" in images["fluid"]["url"]
            assert f"?w={100 * ratio}&" in images["fixed"]["url"]
            for name in ("canvas", "jpeg"):
                red, green, blue, alpha = images[name]["pixel"]
                assert red > 180 and green < 80 and blue < 80 and alpha == 255, "the canvas may be read"
