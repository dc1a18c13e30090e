"""Who may use the server: no foreign web page, neither by DNS rebinding nor by a request across sites."""

import pytest
from images import photo
from wire import request


def ask(server, host=None, origin=None, method="GET", target="/healthz", **fields):
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    if origin is not None:
        fields["Origin"] = origin
    return server.request(method, target, fields, host=host or f"127.0.0.1:{server.port}")


# ---- Host


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1", "127.0.0.1:9", "192.168.1.7:80",
     "[::1]", "[::1]:8080", "[2001:db8::1]:80"],
)  # fmt: skip
def test_addresses_and_localhost_are_answered(server, host):
    assert ask(server, host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "localhostx",
     "127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1x"],
)  # fmt: skip
def test_other_names_are_refused(server, host):
    response = ask(server, host)
    assert response.status == 403, host
    assert response.json()["type"] == "urn:millrace:problem:host-not-allowed"
    assert ask(server, host, method="POST", target="/pipe/image").status == 403
    assert ask(server, host, target="/metrics").status == 403


def test_a_name_can_be_allowed(start):
    server = start("--allow-host=media.example", "--allow-host=other.example:8080")
    assert ask(server, "media.example").status == 200
    assert ask(server, "MEDIA.example:443").status == 200
    assert ask(server, "other.example:8080").status == 200
    assert ask(server, "other.example").status == 403
    assert ask(server, "evil.example").status == 403
    assert ask(server, "sub.media.example").status == 403


# ---- Origin


def test_the_server_s_own_pages_may_use_it(server):
    host = f"127.0.0.1:{server.port}"
    assert ask(server, host, f"http://{host}").status == 200
    assert ask(server, "localhost:1", "http://localhost:1").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example", "null", "http://127.0.0.1:1", "", "http://localhost",
                                    "http://127.0.0.1", "file://"])  # fmt: skip
def test_a_foreign_page_is_refused(server, origin):
    response = ask(server, origin=origin, method="POST", target="/pipe/image?w=10")
    assert response.status == 403
    assert response.json()["type"] == "urn:millrace:problem:origin-not-allowed"
    assert "Access-Control-Allow-Origin" not in response


def test_a_foreign_page_is_refused_before_its_body_is_read(server):
    with server.connect() as wire:
        fields = {"Origin": "http://evil.example", "Expect": "100-continue", "Content-Length": 1000}
        wire.send(request("POST", "/pipe/image?w=10", fields))
        assert wire.receive().status == 403


def test_a_page_of_an_allowed_origin_may_use_it_and_read_the_answer(start):
    server = start("--allow-origin=https://app.example")
    response = ask(server, origin="https://app.example")
    assert response.status == 200
    assert response["Access-Control-Allow-Origin"] == "https://app.example"
    assert "origin" in response["Vary"].lower()
    assert "Access-Control-Allow-Credentials" not in response
    refusal = ask(server, origin="https://app.example", target="/nothing")
    assert refusal.status == 404 and refusal["Access-Control-Allow-Origin"] == "https://app.example"
    assert ask(server, origin="https://evil.example").status == 403
    assert ask(server, origin="https://app.example.evil.example").status == 403
    assert ask(server, origin="http://app.example").status == 403
    body = server.post("/pipe/image?w=10", photo(), {"Origin": "https://app.example"})
    assert body.status == 200 and "Access-Control-Allow-Origin" in body


def test_a_preflight_tells_methods_and_headers(start):
    server = start("--allow-origin=https://app.example")
    wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type, x-name"}
    response = ask(server, origin="https://app.example", method="OPTIONS", target="/pipe/image", **wanted)
    assert response.status in (200, 204)
    assert response["Access-Control-Allow-Origin"] == "https://app.example"
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert {name.strip() for name in response["Access-Control-Allow-Headers"].lower().split(",")} >= {"content-type", "x-name"}
    assert ask(server, origin="https://evil.example", method="OPTIONS", target="/pipe/image", **wanted).status == 403


def test_without_allowed_origins_there_are_no_cors_fields(server):
    response = ask(server)
    assert not [name for name, _ in response.fields if name.lower().startswith("access-control")]
