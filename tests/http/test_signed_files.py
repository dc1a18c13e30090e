"""--read=signed: a file is read by a signed address, or with a key that has the right `read`."""

import re
import subprocess

import pytest
from images import photo
from server import BINARY, HANG, environment
from test_api_keys import WATCHER, Keys, bearer
from test_images_by_url import KEY, refused
from test_presets import sign, write

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("signed")
    write(directory / "signing-keys", f"one {KEY}\n", 0o600)
    return directory


@pytest.fixture
def server(share, directory):
    """Without API keys: what is not read is open to clients of this machine."""
    return share(f"--data={directory / 'data'}", f"--signing-keys={directory / 'signing-keys'}", "--read=signed", "--sign=optional")


@pytest.fixture
def file(server):
    return server.post("/files", b"plain words").json()


@pytest.fixture
def signed(directory):
    return lambda url, *options: sign(directory / "signing-keys", url, *options)


def test_a_file_is_read_by_a_signed_address_alone(server, file, signed):
    plain = f"/files/{file['id']}"
    response = server.get(plain)
    assert refused(response, "signature") and "--signing-keys" in response.json()["detail"]
    assert server.request("HEAD", plain).status == 403
    assert server.get(signed(plain)).body == b"plain words"
    head = server.request("HEAD", signed(plain))
    assert head.status == 200 and head["Content-Length"] == "11"
    part = server.get(signed(plain), [("Range", "bytes=6-")])
    assert part.status == 206 and part.body == b"words"
    assert server.get(signed(plain), [("If-None-Match", f'"{file["id"]}"')]).status == 304


def test_nothing_in_a_signed_address_can_be_changed(server, file, signed):
    other = server.post("/files", b"other words").json()["id"]
    url = signed(f"/files/{file['id']}")
    assert server.get(url).status == 200
    for changed in (url.replace(file["id"], other), url.replace("kid=one", "kid=two"), re.sub("expires=[0-9]+", "expires=99999999999", url), url + "&w=1", url[:-1],
                    url.replace("sig=", "s="), re.sub("&sig=.*", "", url), url + "&sig=x", url.replace("/files/", "/images/")):  # fmt: skip
        response = server.get(changed)
        assert refused(response, "signature"), changed
    assert refused(server.get(signed(f"/files/{file['id']}", "--expires=1000000000")), "signature-expired")
    assert server.get(url + "&s=passed-over").status == 200


def test_a_signature_is_for_no_other_parameter(server, file, signed):
    for query in ("w=3", "download=1", "preset=card"):
        response = server.get(signed(f"/files/{file['id']}?{query}"))
        assert response.status == 400 and response.json()["type"] == "urn:millrace:problem:bad-parameter"
    assert server.get(signed(f"/files/{file['id']}?through=gzip")).status == 400, "stages need a key"
    assert refused(server.get(f"/files/{file['id']}?through=gzip"), "signature")
    assert server.get(signed("/files/01M8MZX7NWWAH60EJWNYWT240A")).status == 404


def test_what_the_server_tells_is_signed(server):
    told = server.post("/files", photo()).json()
    listed = server.get("/files?limit=1").json()["files"][0]
    info = server.get(f"/files/{told['id']}/info").json()
    form = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.txt"\r\n\r\nwords\r\n--x--\r\n'
    [part] = server.post("/files", form, [("Content-Type", "multipart/form-data; boundary=x")]).json()["files"]
    for each in (told, listed, info, part):
        assert each["url"].startswith(f"/files/{each['id']}?expires=") and "&sig=" in each["url"]
        assert server.get(each["url"]).status == 200
    for each in (told, listed, info):
        assert server.get(each["image"]).status == 200
    assert refused(server.get(f"/images/{told['id']}?w=10"), "signature"), "it holds for images too, whatever --sign says"


def test_it_may_be_kept_until_the_address_ends(server, file, signed):
    response = server.get(signed(f"/files/{file['id']}", "--life=1h"))
    seconds = int(re.fullmatch(r"public, max-age=(\d+), immutable", response["Cache-Control"])[1])
    assert 0 < seconds <= 4050


def test_a_key_stands_for_a_signature(start, directory, tmp_path):
    Keys(tmp_path / "keys").write(reader="read", writer="upload", both="read,pipe")
    options = [f"--api-keys={tmp_path / 'keys'}", f"--signing-keys={directory / 'signing-keys'}", "--read=signed", "--trust-proxy=127.0.0.1"]
    server = start(f"--data={tmp_path / 'data'}", *options, key=WATCHER)
    told = server.post("/files", b"plain words", bearer("writer-key")).json()
    plain = f"/files/{told['id']}"
    assert server.get(told["url"]).status == 200
    assert refused(server.get(plain), "signature")
    response = server.get(plain, bearer("reader-key"))
    assert response.status == 200 and response["Cache-Control"] == "private, no-store"
    assert server.get(plain, bearer("writer-key")).status == 403
    assert server.get(plain, bearer("unknown")).status == 401
    assert server.get(f"{plain}?through=gzip", bearer("both-key")).status == 200
    assert server.get(f"{plain}?through=gzip", bearer("reader-key")).status == 403


def test_where_files_are_public_an_address_may_be_signed_all_the_same(start, directory, tmp_path, signed):
    server = start(f"--data={tmp_path / 'data'}", f"--signing-keys={directory / 'signing-keys'}")
    told = server.post("/files", b"plain words").json()
    assert told["url"] == f"/files/{told['id']}"
    assert server.get(told["url"]).status == server.get(signed(told["url"])).status == 200
    assert refused(server.get(signed(told["url"]) + "x"), "signature")


def test_a_key_file_is_needed_where_keys_are(start):
    result = subprocess.run([BINARY, "--read=key"], capture_output=True, text=True, timeout=HANG, env=environment())
    assert result.returncode == 2 and "--read" in result.stderr and "--api-keys" in result.stderr


def test_a_signature_of_images_says_nothing_of_an_address(server, file):
    for query in ("kid=x", "sig=x", "expires=1"):
        assert server.get(f"/files/{file['id']}/image-url?{query}").status == 400
    assert server.get(f"/files/{file['id']}/image-url?s=x").status == 415, "imgix' own is passed over, and the file is no picture"


def test_it_needs_keys_that_sign():
    result = subprocess.run([BINARY, "--read=signed"], capture_output=True, text=True, timeout=HANG, env=environment())
    assert result.returncode == 2 and "--read" in result.stderr and "--signing-keys" in result.stderr
