"""A plain form, without JavaScript, that uploads files from a real browser."""

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
SIZE = 100_000_000
FORM = """<!doctype html><meta charset="utf-8"><title>a form</title>
<form method="post" enctype="multipart/form-data" action="{url}/files?next=/version">
<input name="note" value="hällo"><input type="file" name="files" multiple><button>send</button></form>"""

sys.path.insert(0, str(ROOT / "tests/http"))
from server import starting  # noqa: E402


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def pages(tmp_path):
    """The directory of another site, and its origin."""
    directory = tmp_path / "pages"
    directory.mkdir()
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield directory, f"http://127.0.0.1:{site.server_port}"
    site.shutdown()


def test_a_plain_form_of_large_files_is_kept_and_goes_on_to_a_page(pages, tmp_path):
    browser = shutil.which("chromium")
    if browser is None or shutil.which("node") is None or not PLAYWRIGHT.exists():
        pytest.skip("needs chromium, node and playwright-core (script/bootstrap --test)")
    directory, origin = pages
    sizes = {"large ä.bin": SIZE, "small.bin": 10}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    with starting("workers") as start:
        server = start(f"--data={tmp_path / 'data'}", f"--allow-origin={origin}")
        url = f"http://127.0.0.1:{server.port}"
        (directory / "form.html").write_text(FORM.format(url=url), "utf-8")
        command = ["node", Path(__file__).with_name("form.mjs"), browser, f"{origin}/form.html", *(tmp_path / name for name in sizes)]
        done = subprocess.run(command, capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout) == {"url": f"{url}/version", "status": 200}
        kept = server.get("/files?order=old").json()["files"]
        assert {file["name"]: file["size"] for file in kept} == sizes
