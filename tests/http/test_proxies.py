"""Each proxy of docs/behind-a-proxy.md, with exactly the configuration of the page, between a client and the server."""

import gzip
import hashlib
import http.client
import json
import shutil
import subprocess

import pytest
from images import decode, photo
from proxies import PROXIES, Proxy, program
from streams import noise_bytes

pytestmark = [pytest.mark.once, pytest.mark.unsanitized, pytest.mark.slow]  # nothing of the server's is new here, and large bodies are slow

LARGE = 8_000_000  # bytes: more than all buffers on the way hold together
OPTIONS = ("--open", "--trust-proxy=127.0.0.1", "--public-url=https://media.example", "--respond=after-body", "--log-format=json")
CLIENT = "127.0.0.2"  # so that the proxy's own address is another one


@pytest.fixture(params=PROXIES)
def proxied(request, start):
    """(the server, the proxy before it)"""
    if program(PROXIES[request.param][1]) is None:
        pytest.skip(f"no {request.param}: script/bootstrap --test fetches it")
    server = start(*OPTIONS)
    with Proxy(request.param, server.port) as proxy:
        yield server, proxy


def ask(proxy, method, target, body=None, fields=None, is_chunked=False):
    """A client that sends all before it reads. Returns (status, body, fields)."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=200, source_address=(CLIENT, 0))
    try:
        data = (body[at : at + 65536] for at in range(0, len(body), 65536)) if is_chunked else body
        connection.request(method, target, data, fields or {}, encode_chunked=is_chunked)
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def body_of(size):
    return (noise_bytes(100_000) * (size // 100_000 + 1))[:size]


@pytest.mark.parametrize("name", PROXIES)
def test_a_key_comes_through(start, tmp_path, name):
    if program(PROXIES[name][1]) is None:
        pytest.skip(f"no {name}: script/bootstrap --test fetches it")
    keys = tmp_path / "keys"
    keys.write_text(f"shop sha256:{hashlib.sha256(b'the-key').hexdigest()} pipe,metrics\n")
    keys.chmod(0o600)
    server = start(*(option for option in OPTIONS if option != "--open"), f"--api-keys={keys}", key="the-key")
    with Proxy(name, server.port) as proxy:
        status, _, fields = ask(proxy, "GET", "/version")
        assert status == 401 and fields["WWW-Authenticate"] == "Bearer"
        assert ask(proxy, "POST", "/pipe/gzip", b"body", {"Authorization": "Bearer no-key"})[0] == 401
        assert ask(proxy, "POST", "/pipe/gzip", b"body", {"Authorization": "Bearer the-key"})[0] == 200


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_a_response_comes_back_whole(proxied, size, is_chunked):
    _, proxy = proxied
    fields = {"Transfer-Encoding": "chunked"} if is_chunked else {}
    status, compressed, _ = ask(proxy, "POST", "/pipe/gzip?level=1", body_of(size), fields, is_chunked)
    assert status == 200 and gzip.decompress(compressed) == body_of(size)


@pytest.mark.parametrize("size", [1000, LARGE])
@pytest.mark.parametrize("target, status", [("/pipe/image?w=bogus", 400), ("/pipe/gunzip", 415), ("/nothing", 404)])
def test_a_refusal_reaches_the_client(proxied, size, target, status):
    _, proxy = proxied
    if proxy.name == "caddy" and size == LARGE:
        pytest.skip("Caddy resets the connection half a second after a response before whose end the request was not read")
    got, problem, fields = ask(proxy, "POST", target, body_of(size))
    assert got == status, proxy.text()
    assert fields["Content-Type"] == "application/problem+json" and b"urn:millrace:problem:" in problem


def test_the_log_names_the_client_and_the_proxy_s_request_id(proxied):
    server, proxy = proxied
    status, _, fields = ask(proxy, "GET", "/version", fields={"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6",
                                                                "X-Request-Id": "the-client-s", "X-Forwarded-Proto": "nonsense"})  # fmt: skip
    assert status == 200
    line = server.access_log("/version")[0]
    assert line["client"] == CLIENT
    assert line["id"] == fields["X-Request-Id"] != "the-client-s"
    assert len(line["id"]) != 16, "our own ids have 16 digits"


def test_an_image_and_a_page_of_the_public_name(proxied):
    _, proxy = proxied
    status, body, _ = ask(proxy, "PUT", "/pipe/image?w=10&fm=png", photo(), {"Host": "media.example", "Origin": "https://media.example"})
    assert status == 200 and decode(body).size == (10, 5)
    status, _, _ = ask(proxy, "GET", "/metrics", fields={"Origin": "https://evil.example"})
    assert status == 403


def test_events_come_at_once(proxied):
    _, proxy = proxied
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=200)
    connection.request("GET", "/events")
    response = connection.getresponse()
    lines = [response.readline() for _ in range(6)]
    assert any(line.startswith(b"data: {") for line in lines), lines
    connection.close()


@pytest.mark.parametrize("name", PROXIES)
def test_a_file_is_kept_and_read_in_ranges(start, tmp_path, name):
    if program(PROXIES[name][1]) is None:
        pytest.skip(f"no {name}: script/bootstrap --test fetches it")
    server = start(*OPTIONS, f"--data={tmp_path / 'data'}")
    body = body_of(LARGE)
    with Proxy(name, server.port) as proxy:
        for is_chunked in (False, True):
            fields = {"Transfer-Encoding": "chunked"} if is_chunked else {}
            status, told, fields = ask(proxy, "PUT", "/files/large.bin", body, fields, is_chunked)
            assert status == 201, proxy.text()
            told = json.loads(told)
            assert fields["Location"] == f"https://media.example{told['url']}"
            assert ask(proxy, "GET", told["url"])[:2] == (200, body)
            status, part, fields = ask(proxy, "GET", told["url"], fields={"Range": "bytes=1000000-1999999"})
            assert (status, part) == (206, body[1000000:2000000])
            assert fields["Content-Range"] == f"bytes 1000000-1999999/{LARGE}"
            assert ask(proxy, "GET", told["url"], fields={"If-None-Match": fields["ETag"]})[0] == 304
            assert ask(proxy, "DELETE", told["url"])[0] == 204
            if name != "varnish":  # its configuration keeps what may be kept
                assert ask(proxy, "GET", told["url"])[0] == 404


# ---- nginx and the answer modes


NGINX = {
    "keep-alive": "proxy_http_version 1.1; proxy_request_buffering off;",
    "HTTP/1.0": "proxy_request_buffering off;",
    "defaults": "",
}


def nginx_with(lines, upstream):
    patience = "proxy_read_timeout 10m; proxy_send_timeout 10m;"  # a minute is not much on a slow, busy machine
    text = f"server {{ listen 8000; client_max_body_size 0; {patience} location / {{ proxy_pass http://127.0.0.1:8080; {lines} }} }}\n"
    return Proxy("nginx", upstream, text)


@pytest.mark.parametrize(
    "lines, mode, stages", [("keep-alive", "option", 4), ("keep-alive", "preference", 1), ("HTTP/1.0", "none", 1), ("defaults", "none", 1)]
)
def test_nginx_gets_large_streams_back(start, lines, mode, stages):
    """Without the mode nginx, which stops sending when the head of a response has come, and the server wait for each other.
    Where nginx speaks HTTP/1.0, as by default, nothing needs to be said."""
    if program("nginx") is None:
        pytest.skip("no nginx: script/bootstrap --test fetches it")
    server = start("--open", "--trust-proxy=127.0.0.1", *(["--respond=after-body"] if mode == "option" else []))
    fields = {"Prefer": "respond=after-body"} if mode == "preference" else {}
    secret = fields | {"Age-Passphrase": "correct horse"}
    body = body_of(LARGE)
    with nginx_with(NGINX[lines], server.port) as proxy:
        status, sealed, _ = ask(proxy, "POST", "/pipe/encrypt", body, secret)
        assert status == 200
        assert ask(proxy, "POST", "/pipe/decrypt", sealed, secret)[:2] == (200, body)
        for there, back in (("gzip?level=1", "gunzip"), ("zstd?level=1", "unzstd"))[: stages // 2]:
            status, packed, _ = ask(proxy, "POST", f"/pipe/{there}", body, fields)
            assert status == 200
            assert ask(proxy, "POST", f"/pipe/{back}", packed, fields)[:2] == (200, body)


@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl")
def test_perl_s_lwp_gets_it_with_the_preference(start):
    if subprocess.run(["perl", "-MLWP::UserAgent", "-e", "1"], capture_output=True).returncode != 0:
        pytest.skip("no LWP: libwww-perl")
    server = start()
    script = """use LWP::UserAgent; my $ua = LWP::UserAgent->new(timeout => 200);
        my $r = $ua->post($ARGV[0], "Prefer" => "respond=after-body", "Age-Passphrase" => "correct horse", "Content-Type" => "text/plain",
                          Content => "some words " x 1200000);
        print $r->code, " ", length($r->content), " ", $r->header("Preference-Applied") // "-";"""
    run = subprocess.run(["perl", "-e", script, f"http://127.0.0.1:{server.port}/pipe/encrypt"], capture_output=True, text=True, timeout=200)
    status, length, applied = run.stdout.split()
    assert status == "200" and int(length) > 11 * 1_200_000 and applied == "respond=after-body", run
