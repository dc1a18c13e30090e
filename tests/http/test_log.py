"""The access log: one line a request, which no client can forge and which tells no secret."""

import re

import hostile
import pytest
from images import heic, photo
from server import wait_for
from wire import request

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def logging(start):
    return start("--log-format=json")


def test_each_request_is_one_line(logging):
    response = logging.post("/pipe/image?w=30", photo())
    line = logging.access_log("/pipe/image")[0]
    assert line["method"] == "POST"
    assert line["status"] == 200
    assert line["route"].startswith("/pipe/")
    assert line["bytes_in"] == len(photo())
    assert line["bytes_out"] == len(response.body)
    assert 0 < line["duration"] < 30
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert line["level"] == "info"


def test_its_id_is_in_the_answer_and_never_twice(logging):
    ids = [logging.get("/healthz")["X-Request-Id"] for _ in range(10)]
    assert len(set(ids)) == 10
    assert [line["id"] for line in logging.access_log("/healthz", 10)] == ids


def test_a_refusal_is_logged_with_its_reason(logging):
    logging.get("/nothing")
    logging.post("/pipe/image?w=10", b"no image")
    assert logging.access_log("/nothing")[0]["status"] == 404
    line = logging.access_log("/pipe/image")[0]
    assert line["status"] == 415 and "unsupported-format" in line.values()


def test_a_client_that_went_away_is_logged(logging):
    with logging.connect() as wire:
        wire.send(request("POST", "/pipe/image?w=10", {"Content-Length": 1000}) + photo()[:1])
        logging.wait_for_metric("millrace_requests_in_flight", 2)
        wire.reset()
    assert "client-gone" in logging.access_log("/pipe/image")[0].values()


def test_a_valid_traceparent_is_logged_and_an_invalid_one_is_not(logging):
    logging.get("/healthz?1", {"traceparent": TRACE})
    invalid = [TRACE.upper(), TRACE[:-1], TRACE + "0", "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + TRACE[52:], "x"]
    for each in invalid:
        logging.get("/healthz?2", {"traceparent": each})
    lines = logging.access_log("/healthz", 1 + len(invalid))
    assert [line.get("traceparent") for line in lines] == [TRACE] + [None] * len(invalid)


def test_query_values_are_never_logged(logging):
    logging.post("/pipe/image?w=30&secret=hunter2", photo())
    logging.get("/healthz?token=hunter2&hunter2")
    logging.get("/nothing?s=hunter2")
    logging.raw(b"GET /healthz?key=hunter2 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    logging.raw(b"GET /healthz?key=hunter2 HTTP/1.1\r\nHost: localhost\r\nBad Name: hunter2\r\n\r\n")
    logging.access_log("/nothing")
    lines = logging.access_log("/healthz", 3)
    assert any("token=" in line["target"] for line in lines), "names stay"
    values = [part.split("=", 1)[1] for line in lines for part in line["target"].split("?")[-1].split("&") if "=" in part]
    assert "hunter2" not in values
    assert "=hunter2" not in logging.text() and "Bad Name: hunter2" not in logging.text()


@pytest.mark.parametrize("format", ["json", "logfmt"])
def test_no_client_can_forge_a_line(start, format):
    server = start(f"--log-format={format}")
    marker = "forged-marker"
    for target in (f"/x%0alevel=error msg={marker}", f"/x%0d%0a{marker}", f'/x"{marker}\\"', f"/x%22,%22{marker}%22:%22", f"/{marker}=1"):
        server.raw(f"GET {target.replace(' ', '%20')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    server.raw(b"GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for(lambda: "/last" in server.text(), "the last line")
    for line in server.log:
        if marker in line:
            assert line.startswith("{" if format == "json" else "time="), line
            assert "/x" in line or f"/{marker}" in line
    if format == "json":
        server.access_log("/last")  # parses every line


def test_logfmt_quotes_what_needs_it(start):
    server = start("--log-format=logfmt")
    server.raw(b'GET /a"b=c HTTP/1.1\r\nHost: localhost\r\n\r\n')
    line = wait_for(lambda: [line for line in server.log if "/a" in line], "the line")[0]
    assert r'target="/a\"b=c"' in line


def test_the_level_is_kept_to(start):
    server = start("--log-level=error")
    server.get("/healthz")
    assert server.terminate() == 0
    assert "/healthz" not in server.text()


def test_what_decoders_print_is_no_line_of_it(start):
    server = start()
    spoilt = list(hostile.heics_of_odd_parameters(heic(64, 64)))
    statuses = [server.post("/pipe/image?fm=png", body).status for body in spoilt]
    assert 422 in statuses and set(statuses) <= hostile.HARMLESS
    wait_for(lambda: sum("/pipe/image" in line for line in list(server.log)) >= len(spoilt), "all lines")
    field = r'[a-z_]+=([^\s"=]+|"([^"\\]|\\.)*")'
    strange = [line for line in server.log if not re.fullmatch(f"listening on \\S+|time=\\S+( {field})+", line)]
    assert strange == []
