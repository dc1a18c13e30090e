"""What a pipe takes: the file itself as POST or PUT, no form, and parameters that are named as they were sent."""

import gzip

import pytest
from images import decode, photo

pytestmark = pytest.mark.once


@pytest.mark.parametrize("media_type", ["multipart/form-data; boundary=x", "Multipart/Form-Data;boundary=x", "multipart/form-data"])
@pytest.mark.parametrize("stages", ["image", "gzip", "encrypt"])
def test_a_form_is_refused_with_a_hint(server, stages, media_type):
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x--\r\n'
    response = server.post(f"/pipe/{stages}", form, {"Content-Type": media_type})
    assert response.status == 415
    assert response.json()["type"] == "urn:millrace:problem:wrong-format"
    assert "send the file itself" in response.json()["detail"]


def test_other_media_types_are_not_looked_at(server):
    for media_type in ("application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "text/plain", ""):
        assert gzip.decompress(server.post("/pipe/gzip", b"abc", {"Content-Type": media_type}).body) == b"abc"


def test_put_does_what_post_does(server):
    response = server.request("PUT", "/pipe/image?w=10&fm=png", {}, photo())
    assert response.status == 200 and decode(response.body).size == (10, 5)
    assert gzip.decompress(server.request("PUT", "/pipe/gzip", {}, b"abc" * 100_000).body) == b"abc" * 100_000
    refusal = server.request("GET", "/pipe/gzip", {})
    assert refusal.status == 405
    assert {each.strip() for each in refusal["Allow"].split(",")} == {"POST", "PUT", "OPTIONS"}
    assert server.metrics().sum("millrace_requests_total", route="/pipe/{stages*}", code=200) >= 2


@pytest.mark.parametrize("sent, told", [("Width=3", "Width"), ("a%20b=3", "a b"), ("a%22b=3", 'a"b'), ("%C3%A9=3", "é"), ("=3", ""), ("x" * 33, "*")])
def test_an_unknown_parameter_is_named_as_it_was_sent(server, sent, told):
    response = server.post(f"/pipe/image?{sent}", photo())
    assert response.status == 400
    assert response.json()["detail"] == f'"{told}" is not a parameter of image.'
