"""Real clients that keep files and read them back."""

import shutil
import subprocess

import pytest
from test_files import data, files, new_files, upload  # noqa: F401: one of them is a fixture

pytestmark = [pytest.mark.once, pytest.mark.unsanitized]

SIZE = 5_000_000


@pytest.fixture
def run(tmp_path):
    """run(program, argument...): its standard output; the test is skipped without it."""

    def run_one(*command, statuses=(0,)):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        done = subprocess.run([str(word) for word in command], capture_output=True, cwd=tmp_path, timeout=200)
        assert done.returncode in statuses, done.stderr
        return done.stdout

    return run_one


def url_of(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


def test_curl(files, run, tmp_path):
    body = data(SIZE)
    (tmp_path / "a.bin").write_bytes(body)
    run("curl", "-sSf", "-T", "a.bin", url_of(files, "/files/"))
    run("curl", "-sSf", "--data-binary", "@a.bin", url_of(files, "/files"))
    listed = new_files(files)
    assert [file["size"] for file in listed] == [SIZE] * len(listed)
    assert "a.bin" in [file["name"] for file in listed]
    url = url_of(files, listed[0]["url"])
    assert run("curl", "-sSf", url) == body
    assert run("curl", "-sSf", "--compressed", url) == body
    assert run("curl", "-sSf", "-r", "1000-1999", url) == body[1000:2000]
    (tmp_path / "part.bin").write_bytes(body[:1_234_567])
    run("curl", "-sSf", "-C", "-", "-o", "part.bin", url)
    assert (tmp_path / "part.bin").read_bytes() == body
    assert run("curl", "-sSf", "-z", "Thu, 01 Jan 2037 00:00:00 GMT", "-w", "%{http_code}", "-o", "/dev/null", url) == b"304"
    assert run("curl", "-sSf", "-z", "Mon, 01 Jan 2001 00:00:00 GMT", "-w", "%{http_code}", "-o", "/dev/null", url) == b"200"
    assert run("curl", "-sSfI", url).startswith(b"HTTP/1.1 200")
    run("curl", "-sSf", "-OJ", url)  # the name that Content-Disposition has


def test_wget_goes_on_where_it_stopped(files, run, tmp_path):
    body = data(SIZE)
    url = upload(files, body, "/files/a.bin", method="PUT")["url"]
    name = url.rpartition("/")[2]
    (tmp_path / name).write_bytes(body[:1_000_001])
    run("wget", "-q", "-c", url_of(files, url))
    assert (tmp_path / name).read_bytes() == body


def test_requests_with_a_form_and_a_stream(files):
    requests = pytest.importorskip("requests")
    body = data(SIZE)
    answer = requests.post(url_of(files, "/files"), files={"one": ("eins.bin", body), "two": ("zwei ä.bin", b"x")}, data={"a": "b"})
    assert answer.status_code == 201
    assert [file["name"] for file in answer.json()["files"]] == ["eins.bin", "zwei ä.bin"]
    assert answer.json()["fields"] == {"a": "b"}
    assert requests.get(url_of(files, answer.json()["files"][0]["url"])).content == body
    answer = requests.put(url_of(files, "/files/s"), data=(body[at : at + 10_000] for at in range(0, SIZE, 10_000)))
    assert answer.json()["size"] == SIZE


def test_aiohttp_with_a_form(files):
    aiohttp = pytest.importorskip("aiohttp")
    import asyncio

    async def post(quotes):
        form = aiohttp.FormData(quote_fields=quotes)
        form.add_field("fä", data(SIZE), filename="a ä.bin", content_type="application/x-thing")
        form.add_field("note", "héllo")
        async with aiohttp.ClientSession() as session, session.post(url_of(files, "/files"), data=form) as response:
            return response.status, await response.json()

    for quotes, name in [(False, "a ä.bin"), (True, "a%20%C3%A4.bin")]:  # a browser's name with a percent sign looks the same
        status, told = asyncio.run(post(quotes))
        assert status == 201
        file = told["files"][0]
        assert (file["field"], file["name"], file["size"]) == ("fä", name, SIZE)
        assert told["fields"] == {"note": "héllo"}
