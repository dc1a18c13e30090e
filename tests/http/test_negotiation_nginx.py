"""auto=format through nginx with its cache on: no client gets another's format, and what is old is revalidated."""

import itertools

import pytest
from images import decode, noise, photo
from proxies import Proxy, block, program
from server import wait_for
from test_proxies import ask

pytestmark = [pytest.mark.once, pytest.mark.unsanitized]

CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX_65 = "image/webp,*/*"
CURL = "*/*"
KINDS = {CHROMIUM: "image/avif", FIREFOX_65: "image/webp", CURL: "image/jpeg"}
CACHING = """proxy_cache_path cache keys_zone=images:1m use_temp_path=off;
server {
    listen 8000;
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_cache images;
        proxy_cache_revalidate on;
        add_header X-Cache $upstream_cache_status;
    }
}
"""


@pytest.fixture
def cached(start, tmp_path):
    """cached(option...): a server with these options, and nginx with a cache before it."""
    if program("nginx") is None:
        pytest.skip("no nginx: script/bootstrap --test fetches it")
    proxies = []

    def begin(*options, text=CACHING):
        server = start(f"--data={tmp_path / 'data'}", *options)
        proxies.append(Proxy("nginx", server.port, text))
        return server, proxies[-1]

    yield begin
    for proxy in proxies:
        proxy.stop()


def get(proxy, target, accept, **fields):
    status, body, headers = ask(proxy, "GET", target, fields={"Accept": accept, **fields})
    return status, body, headers


def test_each_client_gets_its_own(cached):
    server, proxy = cached()
    image = server.post("/files", noise(60, 40)).json()["image"]
    bodies = {}
    for turn in range(3):
        for accept, kind in KINDS.items():
            status, body, fields = get(proxy, f"{image}?w=30&auto=format", accept)
            assert status == 200 and fields["Content-Type"] == kind and fields["Vary"] == "Accept"
            assert fields["X-Cache"] == ("MISS" if turn == 0 else "HIT")
            assert bodies.setdefault(accept, body) == body
    assert len(set(bodies.values())) == 3
    assert decode(bodies[CURL]).size == (30, 20)


def test_a_format_that_the_address_names_is_one_for_all(cached):
    server, proxy = cached()
    image = server.post("/files", photo()).json()["image"]
    seen = [get(proxy, f"{image}?w=30&fm=webp&auto=format", accept)[2]["X-Cache"] for accept in KINDS]
    assert seen == ["MISS", "HIT", "HIT"]


def test_conditions_hold_behind_the_cache(cached):
    server, proxy = cached()
    target = f"{server.post('/files', photo()).json()['image']}?w=30&auto=format"
    tags = {accept: get(proxy, target, accept)[2]["ETag"] for accept in KINDS}
    for accept in KINDS:
        for other, tag in tags.items():
            status, _, fields = get(proxy, target, accept, **{"If-None-Match": tag})
            assert status == (304 if other == accept else 200)
            assert fields["X-Cache"] == "HIT" and fields["ETag"] == tags[accept] and fields["Vary"] == "Accept"


def test_what_is_old_is_revalidated_and_stays_apart(cached):
    server, proxy = cached("--image-cache-control=public, max-age=1")
    target = f"{server.post('/files', photo()).json()['image']}?w=30&auto=format"
    before = {accept: get(proxy, target, accept)[1] for accept in KINDS}
    jobs = server.metric("millrace_job_run_seconds_count", stage="image")
    for accept, kind in KINDS.items():

        def is_revalidated(accept=accept, kind=kind):
            status, body, fields = get(proxy, target, accept)
            assert status == 200 and fields["Content-Type"] == kind and body == before[accept]
            return fields["X-Cache"] == "REVALIDATED"

        wait_for(is_revalidated, f"nginx to ask again for {kind}")
    assert server.metric("millrace_job_run_seconds_count", stage="image") == jobs, "304 costs no job"
    assert server.metric("millrace_requests_total", code=304) >= 3


def test_the_cache_of_the_page_keeps_four(cached):
    """The configuration of docs/behind-a-proxy.md, with another directory."""
    path = "/var/cache/nginx/images"
    assert path in block("conf")
    server, proxy = cached("--sign=optional", text=block("conf").replace(path, "cache"))
    target = f"{server.post('/files', noise(60, 40)).json()['image']}?w=30&auto=format"

    def asked():
        return server.metric("millrace_requests_total", route="/images/{id}")

    for order in itertools.islice(itertools.permutations(["image/avif", "image/webp", "image/png;q=0.7", "*/*;q=0.8"]), 0, 24, 3):
        assert get(proxy, target, ",".join(order))[2]["Content-Type"] == "image/avif"
    assert asked() == 1
    for accept, kind in {**KINDS, "image/*": "image/jpeg", "text/html": "image/jpeg", "image/avif": "image/avif"}.items():
        status, _, fields = get(proxy, target, accept)
        assert status == 200 and fields["Content-Type"] == kind and fields["Vary"] == "Accept"
    assert asked() == 4
