"""Forms (multipart/form-data) sent to /files: each file in one becomes an object, all of them or none."""

import base64
import hashlib
import subprocess

import pytest
from images import photo
from test_files import data, files, fresh, new_files  # noqa: F401: two of them are fixtures

pytestmark = pytest.mark.once  # what is stored does not depend on the offload

BOUNDARY = "----a boundary of ours"


def form(*parts, end=True):
    """The body of a form: parts are (name, filename or None, type or None, bytes)."""
    body = b""
    for name, filename, kind, content in parts:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"' if filename is not None else ""
        head += f"\r\nContent-Type: {kind}" if kind is not None else ""
        body += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def post_form(server, body, target="/files", fields=()):
    return server.post(target, body, [("Content-Type", f'multipart/form-data; boundary="{BOUNDARY}"'), *fields])


def test_each_file_is_an_object_and_fields_are_told(files):
    sizes = [0, 10, 32768, 32769, 700_000]
    parts = [("title", None, None, "Käse".encode())]
    parts += [(f"file{size}", f"{size}.bin", "application/x-thing", data(size)) for size in sizes]
    parts += [("tag", None, None, b"a"), ("tag", None, None, b"b"), ("q%22uote", None, None, b'\n"\\')]
    response = post_form(files, form(*parts))
    assert response.status == 201, response.body
    told = response.json()
    assert told["fields"] == {"title": "Käse", "tag": ["a", "b"], 'q"uote': '\n"\\'}
    assert [(file["field"], file["name"], file["size"]) for file in told["files"]] == [
        (f"file{size}", f"{size}.bin", size) for size in sizes
    ]
    for file, size in zip(told["files"], sizes):
        assert files.get(file["url"]).body == data(size)
        assert file["digest"]["sha-256"] == base64.b64encode(hashlib.sha256(data(size)).digest()).decode()


def test_one_file_is_told_as_a_list_too(files):
    told = post_form(files, form(("f", "a.jpg", "text/plain", photo()))).json()
    assert [file["type"] for file in told["files"]] == ["image/jpeg"]
    assert told["fields"] == {}


def test_a_chosen_name_is_cleaned(files):
    told = post_form(files, form(("f", "C:\\\\temp\\\\..\\\\x.txt", None, b"x"), ("g", "../../etc/passwd", None, b"x"))).json()
    assert [file["name"] for file in told["files"]] == ["x.txt", "passwd"]


@pytest.mark.parametrize("filename", [
    'filename="K\u00e4se 100%25 \U0001f4f7.jpg"',  # browsers and curl: raw UTF-8
    'filename="=?utf-8?B?S8Okc2U=?="; filename*=utf-8\'\'K%C3%A4se%20100%2525%20%F0%9F%93%B7.jpg',  # .NET
    "filename*=utf-8''K%C3%A4se%20100%2525%20%F0%9F%93%B7.jpg",  # requests with urllib3 before 1.25
])
def test_a_name_that_is_not_ascii_is_kept_as_each_client_sends_it(files, filename):
    body = form(("f", "NAME", None, b"x")).replace(b'filename="NAME"', filename.encode())
    told = post_form(files, body)
    assert told.status == 201, told.body
    assert [file["name"] for file in told.json()["files"]] == ["Käse 100%25 \U0001f4f7.jpg"]
    assert files.get(told.json()["files"][0]["url"])["Content-Disposition"].endswith("UTF-8''K%C3%A4se%20100%2525%20%F0%9F%93%B7.jpg")


def test_an_extended_name_is_cleaned_too(files):
    body = form(("f", "NAME", None, b"x")).replace(b'filename="NAME"', b"filename=\"a.txt\"; filename*=utf-8''..%2F..%5C%00b%0Ac.txt")
    assert [file["name"] for file in post_form(files, body).json()["files"]] == ["_b_c.txt"]


def test_what_no_file_was_chosen_for_is_left_out(files):
    told = post_form(files, form(("f", "", "application/octet-stream", b""), ("g", "a", None, b"x"))).json()
    assert [file["field"] for file in told["files"]] == ["g"]
    response = post_form(files, form(("f", "", "application/octet-stream", b""), ("x", None, None, b"x")))
    assert response.status == 400
    assert response.json()["type"] == "urn:millrace:problem:multipart"


@pytest.mark.parametrize(
    "body",
    [
        form(("f", "a", None, data(100_000)), end=False),  # no closing delimiter
        form(("f", "a", None, data(100_000)))[:-300],
        form(("f", "a", None, data(100))).replace(b"\r\n", b"\n"),
        form(("f", "a", None, data(100_000)), ("g", "b", None, b"x")).replace(b'name="g"', b'nom="g"'),
        b"",
    ],
    ids=["no end", "cut", "line feeds", "a part without a name", "empty"],
)
def test_a_malformed_form_stores_nothing(files, body):
    response = post_form(files, body)
    assert response.status == 400
    assert response.json()["type"] == "urn:millrace:problem:multipart"
    assert new_files(files) == []


def test_a_form_of_too_many_parts_stores_nothing(files):
    response = post_form(files, form(*[("f", "a", None, b"x")] * 1001))
    assert response.status == 413
    problem = response.json()
    assert problem["type"] == "urn:millrace:problem:too-many-parts"
    assert problem["limit"]["value"] == 1000
    assert new_files(files) == []


def test_a_form_of_many_small_files_is_stored(files):
    response = post_form(files, form(*[("f", f"{n}", None, b"%d" % n) for n in range(300)]))
    assert response.status == 201
    assert [file["name"] for file in response.json()["files"]] == [str(n) for n in range(300)]


def test_fields_have_a_bound(files):
    response = post_form(files, form(("x", None, None, b"x" * 300_000), ("f", "a", None, b"x")))
    assert response.status == 413
    response = post_form(files, form(*[("x", None, None, b"x")] * 257, ("f", "a", None, b"x")))
    assert response.status == 413
    assert new_files(files) == []


def test_a_failing_stage_stores_none_of_the_files(files):
    response = post_form(files, form(("f", "a", None, photo()), ("g", "b", None, b"no picture")), "/files?through=image&w=10")
    assert response.status == 415
    assert new_files(files) == []
    told = post_form(files, form(("f", "a", None, photo()), ("g", "b", None, photo())), "/files?through=image&w=10&fm=png")
    assert [file["type"] for file in told.json()["files"]] == ["image/png", "image/png"]


def test_a_client_that_leaves_in_mid_form_stores_nothing(fresh, tmp_path):
    body = form(("f", "a", None, data(10)), ("g", "b", None, data(300_000)))
    with fresh.connect() as wire:
        head = f"POST /files HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        wire.send(head.encode() + f'Content-Type: multipart/form-data; boundary="{BOUNDARY}"\r\n\r\n'.encode() + body[:-1000])
    fresh.wait_for_metric("millrace_requests_total", 1, route="/files")
    fresh.assert_at_rest()
    assert fresh.get("/files").json()["files"] == []
    assert list((tmp_path / "data/uploads").iterdir()) == []


@pytest.mark.parametrize("target, location", [("/files", "/"), ("/files?next=/done%3Fx=1", "/done?x=1"),
                                              ("/files?next=//evil.example/", "/"), ("/files?next=https://evil.example/", "/"),
                                              ("/files?next=/%5Cevil.example", "/")])
def test_a_browsers_form_is_sent_on_to_a_local_page(files, target, location):
    response = post_form(files, form(("f", "a", None, b"x")), target, [("Accept", "text/html,application/xhtml+xml")])
    assert response.status == 303
    assert response["Location"] == location
    assert len(new_files(files)) == 1


def test_curl_sends_several_files_and_fields(files, tmp_path):
    (tmp_path / "one.bin").write_bytes(data(50_000))
    (tmp_path / "zwei ä.bin").write_bytes(data(5))
    command = ["curl", "-sS", "-F", f"a=@{tmp_path / 'one.bin'}", "-F", f"b=@{tmp_path / 'zwei ä.bin'}", "-F", "c=d e"]
    done = subprocess.run([*command, f"http://127.0.0.1:{files.port}/files"], capture_output=True, check=True)
    assert b'"name":"one.bin"' in done.stdout and '"name":"zwei ä.bin"'.encode() in done.stdout
    assert b'"fields":{"c":"d e"}' in done.stdout
