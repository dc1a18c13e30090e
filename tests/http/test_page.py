"""GET / and /assets/: a page for browsers, a few lines for all others."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ASSETS = Path(__file__).resolve().parents[2] / "assets"
HTML = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]


def linked(page):
    """The addresses of its files."""
    return re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)


def with_its_styles():
    """The page as it is sent: its style sheets are a part of it, since each would be a request before the first paint."""
    html = (ASSETS / "index.html").read_text()
    link = re.compile(r'<link rel="stylesheet" href="/assets/(.+\.css)">\n')
    styles = "".join((ASSETS / name).read_text() for name in link.findall(html))
    return link.sub("", html).replace("</head>", f"<style>\n{styles}</style>\n</head>")


def test_a_browser_gets_the_page_and_others_text(server):
    page, text = server.get("/", HTML), server.get("/")
    assert (page.status, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.body.decode() == with_its_styles()
    assert (text.status, text["Content-Type"]) == (200, "text/plain; charset=utf-8")
    for refusing in ([], [("Accept", "*/*")], [("Accept", "text/html;q=0, text/plain")]):
        assert server.get("/", refusing).body == text.body
    assert "Accept" in page["Vary"].split(", ") and text["Vary"] == "Accept"


def test_all_files_that_the_page_names_are_there_and_no_other_host_is_named(server):
    page = server.get("/", HTML).body.decode()
    assert not re.search(r'(?:src|href|action)="(?:https?:|//)', page)
    for target in linked(page):
        response = server.get(target)
        assert response.status == 200 and response.body == (ASSETS / target.rpartition("/")[2]).read_bytes(), target
    for script in ASSETS.glob("*.js"):
        for module in re.findall(r'^import [^;]*"\./([^"]+)";', script.read_text(), re.M):
            assert server.get(f"/assets/{module}")["Content-Type"] == "text/javascript; charset=utf-8", module


def test_the_page_is_small(server):
    names = ["/", *(f"/assets/{file.name}" for file in ASSETS.iterdir())]
    sent = [server.get(name, [*HTML, ("Accept-Encoding", "gzip")]) for name in names]
    assert sum(len(response.body) for response in sent if response.status == 200) <= 60 * 1024


def test_nothing_foreign_runs_in_it(server):
    policy = dict(part.split(" ", 1) for part in server.get("/", HTML)["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'self'" and policy["img-src"] == "'self' blob: data:" and policy["frame-ancestors"] == "'none'"
    page = server.get("/", HTML).body.decode()
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy["style-src"] == f"'self' 'sha256-{digest}'"


def test_a_file_is_compressed_for_those_who_take_it_and_sent_once(server):
    plain = server.get("/assets/page.js")
    small = server.get("/assets/page.js", [("Accept-Encoding", "br, gzip;q=0.8")])
    assert small["Content-Encoding"] == "gzip" and gzip.decompress(small.body) == plain.body
    assert plain.get("Content-Encoding") is None and plain["ETag"] != small["ETag"]
    for refusing in ("identity", "gzip;q=0", ""):
        assert server.get("/assets/page.js", [("Accept-Encoding", refusing)]).body == plain.body
    again = server.get("/assets/page.js", [("If-None-Match", plain["ETag"])])
    assert (again.status, again.body, again["Cache-Control"]) == (304, b"", "no-cache")
    assert again["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["page.css", "page.js%00", "..%2fpage.js", "PAGE.JS", "page.js.gz"])
def test_what_is_no_file_of_the_page_is_404(server, name):
    assert server.get(f"/assets/{name}").status in (400, 404)


def test_only_reading_is_allowed(server):
    for target in ("/", "/assets/page.js"):
        assert server.request("HEAD", target).status == 200
        refused = server.post(target, b"x")
        assert (refused.status, refused["Allow"]) == (405, "GET, HEAD, OPTIONS")
