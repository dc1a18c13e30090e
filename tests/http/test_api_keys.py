"""API keys: who may do what, before a body is read; the file of keys, and its replacement while the server runs."""

import hashlib
import json
import os
import re
import signal
import subprocess

import pytest
from images import photo
from server import BINARY, HANG, environment, wait_for
from wire import Wire, request

pytestmark = pytest.mark.once

WATCHER = "watcher-key-which-sees-the-metrics"
RIGHTS = ["pipe", "upload", "read", "list", "edit", "delete", "metrics", "admin"]


def line(name, key, rights):
    return f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()} {rights}\n"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Keys:
    """The file of keys. The watcher's is always in it, for the end of a test."""

    def __init__(self, path):
        self.path = path

    def write(self, mode=0o600, **rights):
        """name=rights: the key of NAME is NAME-key."""
        self.replace(line("watcher", WATCHER, "metrics") + "".join(line(name, f"{name}-key", of) for name, of in rights.items()), mode)
        return self

    def replace(self, text, mode=0o600):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.chmod(mode)
        new.rename(self.path)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


@pytest.fixture
def start_with(start, keys):
    """start_with(option..., name=rights...): a server with these keys."""

    def start_one(*options, **rights):
        keys.write(**rights)
        return start(f"--api-keys={keys.path}", *options, key=WATCHER)

    return start_one


def ask(server, key=None, method="GET", target="/version", body=None, **more):
    return server.request(method, target, bearer(key) if key else {}, body, **more)


def status(*arguments, **more):
    return ask(*arguments, **more).status


def reload(server):
    """SIGHUP, and wait until each process has said what became of it, the supervisor as well."""

    def said():
        return sum(bool(re.search("API keys read again|stay in use", each)) for each in list(server.log))

    wanted = said() + 1 + len(server.children())
    server.signal(signal.SIGHUP)
    wait_for(lambda: said() >= wanted, "all to read the keys again")


def run(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=HANG, env=environment())


# ---- routes and rights

OPEN = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/"), ("HEAD", "/healthz")]
ANY_KEY = [("GET", "/version"), ("HEAD", "/version"), ("GET", "/pipe")]
NEEDS = [("GET", "/metrics", "metrics"), ("HEAD", "/metrics", "metrics"), ("POST", "/pipe/gzip", "pipe"), ("PUT", "/pipe/gzip", "pipe")]


def test_each_route_needs_its_right(start_with):
    server = start_with(**{right: right for right in RIGHTS})
    for method, target in OPEN:
        assert status(server, method=method, target=target) == 200
        assert status(server, "nonsense", method=method, target=target) == 200, "an open route looks at no key"
    for method, target in ANY_KEY:
        assert status(server, method=method, target=target) == 401
        for right in RIGHTS:
            assert status(server, f"{right}-key", method=method, target=target) == 200
    for method, target, needed in NEEDS:
        body = b"body" if method in ("POST", "PUT") else None
        assert status(server, method=method, target=target, body=body) == 401
        for right in RIGHTS:
            response = ask(server, f"{right}-key", method=method, target=target, body=body)
            assert response.status == (200 if right == needed else 403), (method, target, right)


def test_the_live_figures_need_a_right(start_with):
    server = start_with(viewer="metrics", piper="pipe,admin")
    assert status(server, target="/events") == 401
    assert status(server, "piper-key", target="/events") == 403
    with server.connect() as wire:
        wire.send(request("GET", "/events", bearer("viewer-key")))
        assert wire.receive_head().status == 200


def test_refusals_are_problems_that_say_what_is_missing(start_with):
    server = start_with(viewer="read,list")
    response = ask(server)
    assert response.status == 401 and response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "urn:millrace:problem:unauthorized"
    response = ask(server, "viewer-key", target="/metrics")
    assert response.status == 403 and "WWW-Authenticate" not in response
    assert response.json()["type"] == "urn:millrace:problem:forbidden"
    assert '"metrics"' in response.json()["detail"]


def test_an_address_that_is_none_needs_no_key(start_with):
    server = start_with()
    assert status(server, target="/nothing") == 404
    assert status(server, method="DELETE") == 405
    assert status(server, target="/metrics/") == 404


def test_what_is_no_key_is_401(start_with):
    server = start_with(viewer="read")
    for value in [
        "", "Bearer", "Bearer ", "viewer-key", "Basic dmlld2VyLWtleTo=", "Token viewer-key", "Bearer viewer-ke", "Bearer viewer-keyx",
        "Bearer viewer-key viewer-key", "Bearer viewer-key,", "Bearer, viewer-key", "Bearer \"viewer-key\"", "Bearer VIEWER-KEY",
        "Bearer " + hashlib.sha256(b"viewer-key").hexdigest(), "Bearer sha256:" + hashlib.sha256(b"viewer-key").hexdigest(), "Bearer viewer",
        "Bearer " + "x" * 10_000, "Bearer viewer-key" + " x" * 4_000, "Bearer \xff\xfe",
    ]:  # fmt: skip
        response = server.get("/version", {"Authorization": value})
        assert response.status == 401 and response["WWW-Authenticate"] == "Bearer", value
    assert server.get("/version", {"Authorization": "bearer   viewer-key "}).status == 200, "the scheme has no case"


def test_a_field_larger_than_a_head_is_431(start_with):
    assert start_with().get("/version", bearer("x" * 20_000)).status == 431


def test_a_key_in_a_query_is_none(start_with):
    server = start_with(viewer="read,pipe,metrics")
    for name in ("key", "access_token", "api_key", "Authorization", "token"):
        assert status(server, target=f"/version?{name}=viewer-key") == 401
    assert status(server, "viewer-key", target="/version?key=nonsense") == 200


def test_more_than_one_authorization_field_is_not_chosen_from(start_with):
    server = start_with(viewer="read")
    one = b"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer viewer-key\r\n"
    for other in (b"Authorization: Bearer viewer-key\r\n", b"authorization: Basic eDp5\r\n", b"Authorization:\r\n"):
        assert server.raw(one + other + b"\r\n").status == 400
    assert server.raw(one + b"\r\n").status == 200


# ---- bodies


def test_a_client_that_waits_for_100_is_refused_without_its_body(start_with):
    server = start_with(viewer="read")
    for key, wanted in ((None, 401), ("viewer-key", 403)):
        with server.connect() as wire:
            fields = {"Expect": "100-continue", "Content-Length": 1_000_000} | (bearer(key) if key else {})
            wire.send(request("POST", "/pipe/gzip", fields))
            assert wire.receive().status == wanted


def test_a_body_that_was_refused_is_dropped_and_the_connection_goes_on(start_with):
    server = start_with(piper="pipe")
    with server.connect() as wire:
        assert wire.request("POST", "/pipe/gzip", body=bytes(1000)).status == 401
        assert wire.request("POST", "/pipe/gzip", bearer("piper-key"), b"body").status == 200
        assert wire.request("POST", "/pipe/gzip", bearer("no-key"), bytes(1000)).status == 401
        assert wire.request("POST", "/pipe/image?w=9", bearer("piper-key"), photo()).status == 200


def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(start_with):
    server = start_with(viewer="read")
    for key, wanted in ((None, 401), ("viewer-key", 403)):
        assert status(server, key, method="POST", target="/pipe/gzip", body=bytes(3_000_000)) == wanted


def test_each_request_of_a_connection_needs_its_own_key(start_with):
    server = start_with(viewer="read")
    with server.connect() as wire:
        pipelined = request("GET", "/version", bearer("viewer-key")) + request("GET", "/version") + request("GET", "/version", bearer("viewer-key"))
        wire.send(pipelined)
        assert [wire.receive().status for _ in range(3)] == [200, 401, 200]


# ---- pages and hosts


def test_a_preflight_needs_no_key_and_lets_the_field_through(start_with):
    server = start_with("--allow-origin=https://app.example", piper="pipe")
    origin = {"Origin": "https://app.example"}
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    response = server.request("OPTIONS", "/pipe/gzip", origin | wanted)
    assert response.status == 204
    assert "authorization" in response["Access-Control-Allow-Headers"] and "POST" in response["Access-Control-Allow-Methods"]
    assert server.request("POST", "/pipe/gzip", origin | bearer("piper-key"), b"x").status == 200
    refusal = server.request("POST", "/pipe/gzip", origin, b"x")
    assert refusal.status == 401 and refusal["Access-Control-Allow-Origin"] == "https://app.example"
    assert server.request("OPTIONS", "/pipe/gzip").status == 204
    foreign = {"Origin": "https://evil.example"} | bearer("piper-key")
    assert server.request("POST", "/pipe/gzip", foreign, b"x").status == 403, "a key opens nothing to foreign pages"


def test_with_keys_any_host_name_is_answered(start_with):
    server = start_with(viewer="read")
    for host in ("media.example", "evil.example:8080", "localhost"):
        assert status(server, "viewer-key", host=host) == 200
        assert status(server, target="/healthz", host=host) == 200
        assert status(server, host=host) == 401


def test_a_public_listener_needs_keys_or_open(start, keys):
    for options in (["--listen=0.0.0.0:0"], ["--trust-proxy=127.0.0.1"], ["--public-url=https://media.example"]):
        result = run(*options)
        assert result.returncode == 2 and "--api-keys" in result.stderr and "--open" in result.stderr
    keys.write(viewer="read")
    result = run("--open", f"--api-keys={keys.path}")
    assert result.returncode == 2 and "--api-keys" in result.stderr and "--open" in result.stderr
    public = ["--listen=0.0.0.0:0", "--trust-proxy=127.0.0.1", "--public-url=https://media.example"]
    server = start(f"--api-keys={keys.path}", *public, key=WATCHER)
    with Wire(("127.0.0.1", server.port)) as wire:
        assert wire.request("GET", "/version", bearer("viewer-key")).status == 200
        assert wire.request("GET", "/version").status == 401


def test_a_start_without_keys_says_so(start, start_with):
    server = start()
    wait_for(lambda: any("no API keys" in each and "level=info" in each for each in list(server.log)), "the line")
    server = start("--open")
    wait_for(lambda: any("no API keys" in each and "level=warn" in each for each in list(server.log)), "the line")
    server = start_with(viewer="read")
    wait_for(lambda: any("2 API keys" in each and "level=info" in each for each in list(server.log)), "the number of keys")
    assert "no API keys" not in server.text()


# ---- the file


def test_a_bad_file_is_told_at_the_start(keys):
    def complaint(*more):
        result = run(f"--api-keys={keys.path}", *more)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
        assert "--api-keys" in result.stderr and str(keys.path)[:80] in result.stderr
        return result.stderr

    assert "No such file" in complaint()
    keys.replace("# keys\n\nshop my-secret-key read\n")
    for more in ([], ["--check-config"], ["--processes=2"]):
        assert "line 3" in complaint(*more) and "my-secret-key" not in complaint(*more)
    keys.replace(line("shop", "key", "read,fly"))
    assert '"fly"' in complaint()
    keys.replace(line("shop", "key", "read prefix=shop/"))
    assert '"prefix"' in complaint()
    for mode in (0o644, 0o660, 0o604):
        keys.replace(line("shop", "key", "read"), mode)
        assert f"0{mode:o}" in complaint()
    keys.path.chmod(0o640)
    assert run("--check-config", f"--api-keys={keys.path}").returncode == 0
    keys.path.unlink()
    keys.path.mkdir()
    assert "regular file" in complaint()


def test_keys_are_read_again_on_sighup(start_with, keys):
    server = start_with(shop="read", lost="read")
    keys.write(shop="read,metrics", fresh="read")
    assert [status(server, f"{name}-key") for name in ("shop", "lost", "fresh")] == [200, 200, 401]
    reload(server)
    assert [status(server, f"{name}-key") for name in ("shop", "lost", "fresh")] == [200, 401, 200]
    assert status(server, "shop-key", target="/metrics") == 200, "its new right"
    assert any("API keys read again" in each and "keys=3" in each for each in server.log)


def test_keys_are_read_again_through_a_new_link(start, tmp_path):
    """As Kubernetes mounts a secret: keys -> ..data/keys, ..data -> a directory; a new one replaces the link."""
    for name, key in (("..1", "old-key"), ("..2", "new-key")):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "keys"
        file.write_text(line("watcher", WATCHER, "metrics") + line("app", key, "read"))
        file.chmod(0o440)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys").symlink_to("..data/keys")
    server = start(f"--api-keys={tmp_path}/keys", key=WATCHER)
    assert status(server, "old-key") == 200
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    reload(server)
    assert status(server, "new-key") == 200 and status(server, "old-key") == 401


def test_a_broken_file_leaves_the_old_keys_in_use(start_with, keys):
    server = start_with(shop="read")

    def is_refused(why):
        reload(server)
        assert any("stay in use" in each and why in each for each in server.log)
        assert [status(server, f"{name}-key") for name in ("shop", "fresh")] == [200, 401]

    keys.replace(keys.path.read_text() + "added the-secret-of-it read\n")
    is_refused("line 3")
    keys.replace(line("fresh", "fresh-key", "read"), 0o644)
    is_refused("0644")
    keys.path.unlink()
    is_refused("No such file")
    assert "the-secret-of-it" not in server.text()
    keys.write(fresh="read")
    reload(server)
    assert [status(server, f"{name}-key") for name in ("shop", "fresh")] == [401, 200]


def test_an_emptied_file_takes_all_keys_away(start_with, keys):
    server = start_with(shop="read")
    keys.replace("# all were lost\n")
    reload(server)
    assert status(server, "shop-key") == 401
    assert any("level=warn" in each and "keys=0" in each for each in server.log)
    keys.write()
    reload(server)
    assert status(server, WATCHER) == 200


def test_no_request_sees_half_of_a_file(start_with, keys):
    server = start_with(shop="read")
    seen = set()
    for turn in range(40):
        keys.write(**({"shop": "read"} if turn % 2 else {"before": "list", "shop": "read,metrics", "behind": "pipe"}))
        server.signal(signal.SIGHUP)
        seen |= {status(server, "shop-key") for _ in range(5)}
    assert seen == {200}
    keys.write(last="read")
    server.signal(signal.SIGHUP)
    wait_for(lambda: status(server, "last-key") == 200, "the last of many SIGHUPs not to be lost")
    wait_for(lambda: status(server, "shop-key") == 401, "the same in all processes")


@pytest.mark.under("workers")
def test_all_processes_read_them_again_and_a_new_one_has_those_in_use(start_with, keys):
    server = start_with("--processes=2", "--workers=1", shop="read")

    def statuses(key):
        """Of both processes."""
        found = {}
        while len(found) < 2:
            with server.connect() as wire:
                answer = wire.request("GET", "/version", bearer(key)).status
                found[server.holder(wire)] = answer
        return set(found.values())

    assert statuses("shop-key") == {200} and statuses("fresh-key") == {401}
    keys.write(fresh="read")
    reload(server)
    assert statuses("fresh-key") == {200} and statuses("shop-key") == {401}
    keys.replace("broken\n")
    reload(server)
    assert statuses("fresh-key") == {200}
    before = server.children()
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: len(now := server.children()) == 2 and now != before and server.metric("millrace_processes") == 2, "another process")
    assert statuses("fresh-key") == {200}


# ---- the log


@pytest.mark.parametrize("format", ["json", "logfmt"])
def test_the_log_names_the_key_and_never_holds_it(start_with, format):
    server = start_with("--log-level=debug", f"--log-format={format}", shop="read", other="pipe")
    ask(server, "shop-key", target="/version?a")
    ask(server, "shop-key", target="/metrics")
    ask(server, "not-a-known-key", target="/version?b")
    ask(server, target="/version?key=shop-key")
    server.get("/healthz", bearer("shop-key"))
    server.raw(b"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer shop-key\r\nAuthorization: Bearer other-key\r\n\r\n")
    server.raw(b"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer shop-key\r\n\r\n")
    ask(server, "other-key", target="/last")
    server.post("/pipe/gzip", b"last", bearer("other-key"))
    wait_for(lambda: "/pipe/gzip" in server.text(), "the last line")
    wait_for(lambda: server.text().count("/version") >= 4, "all lines")
    for secret in ("shop-key", "other-key", "not-a-known-key", WATCHER):
        assert secret not in server.text()
    if format == "json":
        lines = [json.loads(each) for each in server.log if '"route":"/version"' in each and '"status":200' in each]
        assert [each["key"] for each in lines] == ["shop"]
        refused = [json.loads(each) for each in server.log if '"status":403' in each]
        assert [(each["key"], each["outcome"]) for each in refused] == [("shop", "forbidden")]
        unknown = [json.loads(each) for each in server.log if '"status":401' in each]
        assert len(unknown) == 2 and not any("key" in each for each in unknown)


def test_refusals_are_counted_by_route_and_wrong_keys_on_their_own(start_with):
    server = start_with(shop="pipe")
    for _ in range(3):
        assert status(server, "guessed-key", target="/metrics") == 401
    assert status(server, target="/metrics") == 401
    assert status(server, "shop-key", target="/metrics") == 403
    assert status(server, "guessed-key", "POST", "/pipe/gzip", b"x") == 401
    assert status(server, "guessed-key", target="/nowhere") == 404
    wait_for(lambda: server.metric("millrace_requests_total", code=404) == 1, "all to be counted")
    for route, code, count in [("/metrics", 401, 4), ("/metrics", 403, 1), ("/pipe/{stages*}", 401, 1)]:
        assert server.metric("millrace_requests_total", route=route, code=code) == count
    assert server.metric("millrace_requests_total", code=401) == 5
    assert server.metric("millrace_wrong_keys_total") == 4
    said = wait_for(lambda: [each for each in server.log if "API key that is not known" in each], "a line in the log")
    assert all("level=warn" in each and "client=127.0.0.1" in each for each in said)
    assert "guessed" not in server.text()


# ---- millrace api-key


def test_what_the_command_makes_is_used(start, keys, tmp_path):
    keys.write()
    with open(keys.path, "a") as file:
        made = [
            subprocess.run([BINARY, "api-key", *arguments], stdout=file, stderr=subprocess.PIPE, text=True, check=True, timeout=HANG)
            for arguments in (["shop", "--rights", "pipe,metrics"], ["--rights=read", "viewer@office"])
        ]
    shop, viewer = (each.stderr.removesuffix("\n") for each in made)
    assert all(re.fullmatch(r"millrace_[A-Za-z0-9_-]{43}", key) for key in (shop, viewer)) and shop != viewer
    assert shop not in keys.path.read_text() and re.search(r"^shop sha256:[0-9a-f]{64} pipe,metrics$", keys.path.read_text(), re.MULTILINE)
    server = start(f"--api-keys={keys.path}", key=WATCHER)
    assert status(server, shop, method="POST", target="/pipe/gzip", body=b"x") == 200
    assert status(server, shop, target="/metrics") == 200
    assert status(server, viewer) == 200
    assert status(server, viewer, target="/metrics") == 403


@pytest.mark.parametrize(
    "arguments, word",
    [([], "NAME"), (["shop"], "--rights"), (["--rights=read"], "NAME"), (["shop", "--rights="], "right"), (["shop", "--rights=fly"], '"fly"'),
     (["shop", "--rights=read,"], "right"), (["a b", "--rights=read"], "NAME"), (["x" * 65, "--rights=read"], "NAME"),
     (["shop", "other", "--rights=read"], "other"), (["shop", "--right=read"], "--right")],
)  # fmt: skip
def test_wrong_usage_of_the_command(arguments, word):
    result = run("api-key", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    first, *usage = result.stderr.splitlines()
    assert first.startswith("millrace: api-key: ") and word in first and any("api-key NAME" in each for each in usage)


def test_a_line_that_cannot_be_written_has_no_key():
    with open("/dev/full", "w") as full:
        result = subprocess.run([BINARY, "api-key", "a", "--rights=read"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=HANG)
    assert result.returncode == 1 and "millrace_" not in result.stderr and "No space" in result.stderr


def test_help_of_the_command():
    result = run("api-key", "--help")
    assert result.returncode == 0 and "--rights" in result.stdout and "metrics" in result.stdout


# ---- files


def test_each_request_for_files_needs_its_right(start_with, tmp_path):
    every = {right: right for right in RIGHTS}
    server = start_with(f"--data={tmp_path / 'data'}", **every)
    assert status(server, None, "POST", "/files", b"x") == 401
    told = ask(server, "upload-key", "POST", "/files", b"x").json()
    needs = [("PUT", "/files/a", "upload", b"x", 201), ("GET", "/files", "list", None, 200), ("GET", told["url"] + "/info", "list", None, 200),
             ("PATCH", told["url"] + "/info", "edit", b"{}", 415), ("DELETE", told["url"], "delete", None, 204)]
    for method, target, right, body, wanted in needs:
        assert status(server, None, method, target, body) == 401, (method, target)
        for other in RIGHTS:
            if other != right:
                assert status(server, f"{other}-key", method, target, body) == 403, (method, target, other)
        if method != "DELETE":
            assert status(server, f"{right}-key", method, target, body) == wanted, (method, target)
    assert status(server, None, "GET", told["url"]) == 200
    assert status(server, None, "GET", told["url"] + "?through=gzip") == 401
    assert status(server, "read-key", "GET", told["url"] + "?through=gzip") == 403
    assert status(server, "pipe-key", "GET", told["url"] + "?through=gzip") == 200
    assert status(server, "delete-key", "DELETE", told["url"]) == 204


def test_reading_can_need_a_key(start_with, tmp_path):
    server = start_with(f"--data={tmp_path / 'data'}", "--read=key", upload="upload", read="read")
    url = ask(server, "upload-key", "POST", "/files", b"x").json()["url"]
    assert status(server, None, "GET", url) == 401
    assert status(server, "upload-key", "GET", url) == 403
    response = ask(server, "read-key", "GET", url)
    assert response.status == 200
    assert response["Cache-Control"] == "private, no-store"
