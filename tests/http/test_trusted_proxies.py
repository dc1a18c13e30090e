"""Behind a proxy: who the client is, whose request id counts, which names are answered, and what a server must be told for that."""

import subprocess

import pytest
from server import environment, words_to_start
from wire import request

pytestmark = pytest.mark.once

LOG = "--log-format=json"


def ask(server, fields=(), host=None, target="/healthz"):
    return server.request("GET", target, dict(fields), host=host or f"127.0.0.1:{server.port}")


def refused_to_start(offload, *options):
    result = subprocess.run([*words_to_start(offload), *options], capture_output=True, timeout=100, text=True, env=environment())
    assert result.returncode == 2, result
    return result.stderr


# ---- the client


def test_the_log_names_the_client(start, tmp_path):
    server = start(LOG, f"--listen=unix:{tmp_path}/socket", "--listen=127.0.0.1:0")
    with server.connect(0) as wire:
        wire.request("GET", "/healthz")
    assert server.access_log("/healthz")[0]["client"] == "unix"
    with server.connect(1) as wire:
        wire.request("GET", "/version", {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"})
    assert server.access_log("/version")[0]["client"] == "127.0.0.1", "nobody is trusted"


def test_a_refused_head_is_logged_with_its_client(start):
    server = start(LOG)
    assert server.raw(b"GET /nonsense HTTP/1.1\r\nHost: a b\r\n\r\n").status == 400
    assert server.access_log("/nonsense")[0]["client"] == "127.0.0.1"


def test_a_trusted_proxy_tells_who_its_client_is(start, tmp_path):
    server = start(LOG, "--open", "--trust-proxy=127.0.0.0/8", "--trust-proxy=unix", "--trust-proxy=2001:db8::/32",
                   "--listen=127.0.0.1:0", f"--listen=unix:{tmp_path}/socket")  # fmt: skip
    for number, (fields, client) in enumerate([
        ({"X-Forwarded-For": "6.6.6.6, 192.0.2.1"}, "192.0.2.1"),
        ({"X-Forwarded-For": "192.0.2.1, 2001:db8::5"}, "192.0.2.1"),
        ({"Forwarded": 'for="[2001:dead::1]:4711";proto=https'}, "2001:dead::1"),
        ({"X-Forwarded-For": "nonsense"}, "127.0.0.1"),
        ({}, "127.0.0.1"),
    ]):  # fmt: skip
        assert ask(server, fields, target=f"/{number}").status == 404
        assert server.access_log(f"/{number}")[0]["client"] == client
    with server.connect(1) as wire:
        wire.request("GET", "/over-unix", {"X-Forwarded-For": "192.0.2.7"})
    assert server.access_log("/over-unix")[0]["client"] == "192.0.2.7"


def test_its_request_id_is_taken_over(start):
    server = start(LOG, "--open", "--trust-proxy=127.0.0.1")
    assert ask(server, {"X-Request-Id": "proxy-4711"})["X-Request-Id"] == "proxy-4711"
    assert server.access_log("/healthz")[0]["id"] == "proxy-4711"
    for bad in ('"quoted"', "a b", "x" * 65, ""):
        assert ask(server, {"X-Request-Id": bad})["X-Request-Id"] != bad


def test_anybody_else_s_request_id_is_not(server):
    assert ask(server, {"X-Request-Id": "mine"})["X-Request-Id"] != "mine"


# ---- names


PRIVATE = ["millrace", "millrace:8080", "millrace.default.svc.cluster.local", "nas.local", "media.internal", "box.home.arpa", "a.test"]


@pytest.mark.parametrize("options", [["--listen=0.0.0.0:0"], ["--trust-proxy=10.0.0.0/8"], ["--public-url=https://media.example"]])
def test_a_public_server_answers_for_names_that_no_stranger_can_own(start, options):
    server = start("--open", *options)
    for name in PRIVATE:
        assert ask(server, host=name).status == 200, name
    for name in ("evil.example", "millrace.example", "local.example"):
        assert ask(server, host=name).status == 403, name


def test_a_server_on_loopback_does_not(server):
    for name in PRIVATE:
        assert ask(server, host=name).status == 403, name


def test_the_public_url_is_answered_for_and_its_pages_may_call(start):
    server = start("--open", "--public-url=https://media.example/store/")
    assert ask(server, host="media.example").status == 200
    assert ask(server, host="MEDIA.example:443").status == 200
    assert ask(server, {"Origin": "https://media.example"}).status == 200
    assert ask(server, {"Origin": "http://media.example"}).status == 403


# ---- what it must be told


@pytest.mark.parametrize("option", ["--trust-proxy=127.0.0.1", "--trust-proxy=unix", "--public-url=https://media.example"])
def test_a_public_server_needs_open(offload, option):
    message = refused_to_start(offload, "--listen=127.0.0.1:0", option)
    assert option.split("=")[0] in message and "--open" in message


@pytest.mark.parametrize("option", ["--trust-proxy=nonsense", "--trust-proxy=10.0.0.0/33", "--trust-proxy=example.org",
                                    "--public-url=media.example", "--public-url=ftp://a", "--public-url=https://a/?b"])  # fmt: skip
def test_what_is_malformed_is_named(offload, option):
    assert option.split("=")[0] in refused_to_start(offload, "--open", "--listen=127.0.0.1:0", option)


# ---- pages of other sites


def test_pages_of_other_sites_may_link_to_the_page_alone(server):
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for target in ("/metrics", "/events", "/pipe"):
        response = ask(server, cross, target=target)
        assert response.status == 403, target
        assert response.json()["type"] == "urn:millrace:problem:origin-not-allowed"
    for target in ("/", "/healthz", "/readyz", "/version"):
        assert ask(server, cross, target=target).status in (200, 503), target
    for site in ("same-origin", "same-site", "none"):
        assert ask(server, {"Sec-Fetch-Site": site}, target="/metrics").status == 200


def test_a_form_of_another_site_is_refused_before_its_body(server):
    with server.connect() as wire:
        fields = {"Sec-Fetch-Site": "cross-site", "Expect": "100-continue", "Content-Length": 1000}
        wire.send(request("POST", "/pipe/gzip", fields))
        assert wire.receive().status == 403


def test_pages_of_allowed_origins_may_use_all_of_it(start):
    server = start("--allow-origin=https://app.example")
    fields = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
    response = ask(server, fields, target="/metrics")
    assert response.status == 200
    exposed = {name.strip() for name in response["Access-Control-Expose-Headers"].split(",")}
    assert exposed == {"Location", "ETag", "Content-Location", "Content-Range", "Repr-Digest", "Link", "Server-Timing", "X-Request-Id",
                       "Retry-After"}  # fmt: skip
    assert ask(server, {"Sec-Fetch-Site": "cross-site"}, target="/metrics").status == 403
