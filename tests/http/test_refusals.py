"""A client that sends its whole request before it reads anything gets the response to a refusal too, and not a reset."""

import http.client
import urllib.error
import urllib.request

import pytest
from clients import CLIENTS, is_here, post
from server import HANG
from wire import request

pytestmark = pytest.mark.once

BODY = b"x" * 8_000_000  # more than the buffers of both kernels hold
REFUSALS = {
    "parameter": ("/pipe/image?w=bogus", 400),
    "format": ("/pipe/image", 415),
    "codec": ("/pipe/gunzip", 415),
    "address": ("/nothing", 404),
    "method": ("/healthz", 405),
}


def parts():
    for at in range(0, len(BODY), 65536):
        yield BODY[at : at + 65536]


@pytest.mark.parametrize("target, status", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("is_chunked", (False, True), ids=("length", "chunked"))
def test_http_client_gets_it(server, target, status, is_chunked):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    if is_chunked:
        connection.request("POST", target, parts(), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    else:
        connection.request("POST", target, BODY)
    response = connection.getresponse()
    assert response.status == status
    assert response.getheader("Content-Type") == "application/problem+json"
    response.read()
    connection.close()


def test_urllib_gets_it(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/pipe/image?w=bogus", BODY)
    assert caught.value.code == 400
    assert b"bogus" not in caught.value.read()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.slow
def test_a_real_client_gets_it(server, tmp_path, client):
    if not is_here(client):
        pytest.skip(f"{client} is not on this machine")
    file = tmp_path / "file"
    file.write_bytes(BODY)
    said = post(client, f"http://127.0.0.1:{server.port}/nothing?at=all", file, HANG)
    assert "404" in said and "urn:millrace:problem:not-found" in said


def test_a_body_above_the_limit_is_refused_with_the_limit(start):
    server = start("--max-body=1MiB")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/pipe/gzip", BODY)
    response = connection.getresponse()
    assert response.status == 413
    assert b'"max-body"' in response.read()
    connection.close()


@pytest.mark.slow
def test_a_refused_client_that_goes_on_for_ever_is_closed(start):
    """Without a length no more is read than a body may have."""
    server = start("--max-body=1MiB")
    with server.connect() as connection:
        connection.send(request("POST", "/nothing", [("Transfer-Encoding", "chunked")]))
        assert connection.receive().status == 404
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
