"""Presets: named operations on images, read again on SIGHUP."""

import re
import signal
import subprocess

import pytest
from images import decode, noise, photo
from server import BINARY, HANG, environment, wait_for
from test_api_keys import WATCHER, Keys, bearer
from test_images_by_url import KEY, keep, refused
from test_image_fences import refusal

pytestmark = pytest.mark.once

PRESETS = """# name    operations
card      w=40&h=30&fit=crop&fm=webp
wide      w=300&fm=png
focal     w=50&h=100&fit=crop&crop=focalpoint&fm=png
small     w=40
auto      w=40&auto=format
left      w=50&h=100&fit=crop&crop=focalpoint&fp-x=0&fm=png
"""


def write(path, text, mode=0o644):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
    return path


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("presets")
    write(directory / "presets", PRESETS)
    return directory


@pytest.fixture
def server(share, directory):
    return share(f"--data={directory / 'data'}", f"--presets={directory / 'presets'}")


@pytest.fixture
def fenced(share, directory):
    fences = ("--formats=webp,jpg", "--operations=w,h,dpr,fm", "--max-size=100x100")
    return share(f"--data={directory / 'fenced'}", f"--presets={directory / 'presets'}", *fences)


def jobs(server):
    return server.metric("millrace_job_run_seconds_count", stage="image")


# ---- what a preset is


def test_a_preset_is_its_operations(server):
    image = keep(server, photo())
    before = jobs(server)
    preset = server.get(f"{image}?preset=card")
    spelled = server.get(f"{image}?fm=webp&fit=crop&h=30&w=40")
    assert preset.status == spelled.status == 200
    assert preset.body == spelled.body and preset["ETag"] == spelled["ETag"]
    assert decode(preset.body).size == (40, 30) and preset["Content-Type"] == "image/webp"
    assert preset["Cache-Status"] == "millrace; fwd=miss" and spelled["Cache-Status"] == "millrace; hit"
    assert jobs(server) == before + 1, "one image, and one job"
    assert "Link" not in preset, "what it means may change"


@pytest.mark.parametrize("query", ["preset=card&w=60", "w=60&preset=card", "preset=card&w=60&ixlib=js-3.8.0"])
def test_operations_beside_it_come_on_top(server, query):
    image = keep(server, photo())
    response = server.get(f"{image}?{query}")
    assert response["ETag"] == server.get(f"{image}?w=60&h=30&fit=crop&fm=webp")["ETag"]
    assert decode(response.body).size == (60, 30)


def test_a_focal_point_is_the_query_s_or_the_preset_s_or_the_stored_one(server):
    image = keep(server, photo(400, 200))
    info = image.replace("/images/", "/files/") + "/info"
    assert server.request("PATCH", info, [("Content-Type", "application/merge-patch+json")], b'{"focal":{"x":1,"y":1}}').status == 200

    def tag(query):
        return server.get(f"{image}?{query}")["ETag"]

    spelled = "w=50&h=100&fit=crop&crop=focalpoint&fm=png"
    assert tag("preset=focal") == tag(f"{spelled}&fp-x=1&fp-y=1")
    assert tag("preset=left") == tag(f"{spelled}&fp-x=0")
    assert tag("preset=left&fp-x=0.75") == tag(f"{spelled}&fp-x=0.75")


@pytest.mark.parametrize("query", ["preset=auto", "preset=small&auto=format"])
def test_a_format_is_negotiated(server, query):
    image = keep(server, photo())
    for accept, kind in (("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg")):
        shown = server.get(f"{image}?{query}", [("Accept", accept)])
        spelled = server.get(f"{image}?w=40&auto=format", [("Accept", accept)])
        assert shown.status == 200 and shown["Content-Type"] == kind and shown["Vary"] == "Accept"
        assert shown["ETag"] == spelled["ETag"] and shown.body == spelled.body
    shown = server.get(f"{image}?{query}&fm=png", [("Accept", "image/webp")])
    assert shown["Content-Type"] == "image/png" and "Vary" not in shown


def test_a_format_that_is_negotiated_is_an_allowed_one(fenced):
    image = keep(fenced, photo())
    for accept, kind in (("image/avif,image/webp,*/*", "image/webp"), ("image/avif", "image/jpeg"), ("", "image/jpeg")):
        assert fenced.get(f"{image}?preset=auto", [("Accept", accept)])["Content-Type"] == kind, accept
    assert refusal(fenced.get(f"{image}?preset=small&auto=format"))["detail"].startswith('"auto"'), "--operations does not have it"


def test_a_word_without_effect_takes_nothing_from_a_preset(server):
    image = keep(server, photo(kind="PNG"))
    plain = server.get(f"{image}?preset=auto", [("Accept", "image/webp")])
    other = server.get(f"{image}?preset=auto&auto=compress", [("Accept", "image/webp")])
    assert other["Content-Type"] == plain["Content-Type"] == "image/webp" and other["ETag"] == plain["ETag"]


def test_a_condition_costs_no_job(server):
    image = keep(server, noise(30, 30))
    tag = server.get(f"{image}?preset=card")["ETag"]
    assert server.get(f"{image}?preset=card", [("If-None-Match", tag)]).status == 304
    head = server.request("HEAD", f"{image}?preset=card")
    assert head.status == 200 and head["ETag"] == tag


# ---- what is refused


@pytest.mark.parametrize("query", ["preset=", "preset", "preset=Card", "preset=car", "preset=card%20", "preset=%00", "preset=card&preset=card", "preset=card&preset=wide",
    "preset=card,wide", "preset=" + "x" * 1000, "presets=card", "preset=card&fm=bmp", "preset=card&fit=none", "preset=card&w=0"])  # fmt: skip
def test_a_wrong_name_is_refused(server, query):
    response = server.get(f"{keep(server, photo())}?{query}")
    assert response.status == 400 and response.json()["type"] == "urn:millrace:problem:bad-parameter"


def test_a_server_without_presets_says_so(kept):
    assert "--presets" in refusal(kept.get(f"{keep(kept, photo())}?preset=card"))["detail"]


def test_the_pipe_has_no_presets(server):
    assert server.post("/pipe/image?preset=card", photo()).status == 400


def test_fences_bound_the_query_and_not_the_preset(fenced):
    image = keep(fenced, photo())
    shown = fenced.get(f"{image}?preset=wide")
    assert shown.status == 200 and decode(shown.body).size == (300, 150) and shown["Content-Type"] == "image/png"
    assert fenced.get(f"{image}?preset=card&w=60&fm=jpg").status == 200
    assert fenced.get(f"{image}?preset=wide&fm=jpg").status == 200, "the size is the preset's still"
    assert "--formats" in refusal(fenced.get(f"{image}?preset=card&fm=png"))["detail"]
    assert "--operations" in refusal(fenced.get(f"{image}?preset=card&blur=3"))["detail"]
    for query, value in (("preset=card&w=101", 101), ("preset=card&dpr=3", 120), ("preset=wide&dpr=1", 300)):
        problem = refusal(fenced.get(f"{image}?{query}"))
        assert problem["limit"]["name"] == "max-size" and problem["value"] == value, query


# ---- its address


def test_the_address_keeps_its_name(server):
    image = keep(server, photo())
    file = image.replace("/images/", "/files/")
    assert server.get(f"{file}/image-url?preset=card").json()["url"] == f"{image}?preset=card"
    url = server.get(f"{file}/image-url?w=60&preset=card").json()["url"]
    assert url == f"{image}?preset=card&w=60" and server.get(url).status == 200
    assert server.get(f"{file}/image-url?preset=none").status == 400


# ---- the file


@pytest.mark.parametrize(
    "text, word",
    [("card w=0\n", "line 1: w must be"), ("card w=1\n\ncard w=2\n", "line 3: the name stands"), ("card\n", "line 1: a line has"), ("a b=c\n", "line 1: b is not a parameter"),
     ("card fit=crop\n", "line 1: fit=crop needs"), ("card w=1 h=2\n", 'line 1: "h" behind'), ("a " + "w" * 1030 + "\n", "line 1: a line has at most")],
)  # fmt: skip
@pytest.mark.slow
def test_a_wrong_file_is_told_at_the_start(tmp_path, text, word):
    path = write(tmp_path / "presets", text)
    for more in ([], ["--check-config"], ["--processes=2"]):
        result = subprocess.run([BINARY, f"--presets={path}", *more], capture_output=True, text=True, timeout=HANG, env=environment())
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith(f"millrace: --presets: {path}: {word}"), result.stderr


def test_a_file_that_cannot_be_read_or_that_others_write_is_refused(tmp_path):
    path = write(tmp_path / "presets", "card w=1\n", 0o646)
    for name, word in ((path, "0646"), (tmp_path / "none", "No such file"), (tmp_path, "no regular file")):
        result = subprocess.run([BINARY, f"--presets={name}"], capture_output=True, text=True, timeout=HANG, env=environment())
        assert result.returncode == 2 and "--presets" in result.stderr and word in result.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_the_file_is_read_again_on_sighup(start, tmp_path, processes):
    path = write(tmp_path / "presets", "card w=40\nold w=41\n")
    server = start(f"--data={tmp_path / 'data'}", f"--presets={path}", f"--processes={processes}")

    def reload(said):
        def heard():
            return sum(said in each for each in list(server.log))

        wanted = heard() + 1 + len(server.children())
        server.signal(signal.SIGHUP)
        wait_for(lambda: heard() >= wanted, "all to read the presets again")

    image = keep(server, photo())
    first = server.get(f"{image}?preset=card")
    write(path, "card w=50\nnew h=5\n")
    reload("presets read again")
    second = server.get(f"{image}?preset=card")
    assert decode(first.body).width == 40 and decode(second.body).width == 50
    assert first["ETag"] != second["ETag"], "a client that has the old one gets the new one"
    assert server.get(f"{image}?preset=old").status == 400 and server.get(f"{image}?preset=new").status == 200
    write(path, "card w=60\nnew h=none\n")
    reload("the presets are not read again, the old ones stay in use")
    assert any("line 2: h must be" in each for each in list(server.log))
    assert server.get(f"{image}?preset=card")["ETag"] == second["ETag"]


# ---- only presets


def sign(path, url, *options):
    command = [BINARY, "sign", url, f"--signing-keys={path}", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout.strip()


@pytest.fixture
def only(share, directory):
    """A server that others can reach and that has neither keys nor signing keys."""
    return share(f"--data={directory / 'only'}", f"--presets={directory / 'presets'}", "--only-presets", "--open", "--trust-proxy=127.0.0.1")


def test_a_preset_needs_no_signature_where_there_are_only_presets(only):
    image = keep(only, photo())
    assert only.get(f"{image}?preset=card").status == 200
    assert only.get(f"{image}?preset=wide&ixlib=js-3.8.0&s=0123").status == 200
    assert only.request("HEAD", f"{image}?preset=card").status == 200
    assert only.get(f"{image}?preset=none").status == 400
    assert only.get(f"{image}?preset=card&auto=format")["ETag"] == only.get(f"{image}?preset=card")["ETag"], "the preset says the format"
    shown = only.get(f"{image}?preset=small&auto=format", [("Accept", "image/webp,*/*")])
    assert shown.status == 200 and shown["Content-Type"] == "image/webp", "the client's format is no operation"


@pytest.mark.parametrize("query", ["", "w=40", "preset=card&w=41", "w=41&preset=card", "preset=card&fp-x=0.1", "preset=card&width=3", "ixlib=js", "preset=card&dpr=2", "fm=webp", "preset=card&fallback=original"])
def test_anything_else_needs_one(only, query):
    response = only.get(f"{keep(only, photo())}?{query}")
    assert refused(response, "signature") and "--only-presets" in response.json()["detail"] and response["Cache-Control"] == "no-store"


def test_a_signature_is_refused_where_nothing_can_verify_it(only):
    assert refused(only.get(f"{keep(only, photo())}?preset=card&sig=x"), "signature")


def test_no_address_is_made_that_would_be_refused(only):
    file = keep(only, photo()).replace("/images/", "/files/")
    assert refused(only.get(f"{file}/image-url?w=40"), "signature")
    assert only.get(only.get(f"{file}/image-url?preset=card").json()["url"]).status == 200


def test_where_there_are_no_api_keys_none_is_signed_either(start, tmp_path, directory):
    path = write(tmp_path / "signing-keys", f"one {KEY}\n", 0o600)
    server = start(f"--data={tmp_path / 'data'}", f"--presets={directory / 'presets'}", "--only-presets", f"--signing-keys={path}")
    file = keep(server, photo()).split("?")[0].replace("/images/", "/files/")
    assert refused(server.get(f"{file}/image-url?w=40"), "signature")
    assert server.get(server.get(f"{file}/image-url?preset=card").json()["url"]).status == 200


@pytest.mark.parametrize("option", ["--only-presets", "--sign=required"])
def test_what_a_key_alone_opens_is_for_no_shared_cache(start, tmp_path, directory, option):
    Keys(tmp_path / "keys").write(both="read,upload")
    path = write(tmp_path / "signing-keys", f"one {KEY}\n", 0o600)
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={tmp_path / 'keys'}", f"--signing-keys={path}", f"--presets={directory / 'presets'}", option, key=WATCHER)
    told = server.post("/files", photo(), bearer("both-key")).json()
    assert server.get(f"/images/{told['id']}?w=60", bearer("both-key"))["Cache-Control"] == "private, no-store"
    assert server.get(told["image"])["Cache-Control"].startswith("public")


def test_a_signed_address_and_a_key_may_ask_for_more(start, tmp_path, directory):
    Keys(tmp_path / "keys").write(reader="read,list,upload", writer="upload")
    path = write(tmp_path / "signing-keys", f"one {KEY}\n", 0o600)
    options = [f"--api-keys={tmp_path / 'keys'}", f"--signing-keys={path}", f"--presets={directory / 'presets'}", "--only-presets", "--trust-proxy=127.0.0.1", "--max-size=200x200"]
    server = start(f"--data={tmp_path / 'data'}", *options, key=WATCHER)
    told = server.post("/files", photo(), bearer("reader-key")).json()
    assert server.get(told["image"]).status == 200, "an upload tells a signed address"
    image = f"/images/{told['id']}"
    assert server.get(f"{image}?preset=card").status == 200
    assert refused(server.get(f"{image}?preset=card&w=60"), "signature")
    assert server.get(sign(path, f"{image}?preset=card&fallback=original")).status == 200
    assert server.get(sign(path, f"{image}?preset=card&w=60")).status == 200
    assert server.get(f"{image}?w=60", bearer("reader-key")).status == 200
    assert server.get(f"{image}?preset=card", bearer("writer-key")).status == 403, "a key that is sent must be right"
    assert server.get(f"{image}?preset=card", bearer("unknown")).status == 401
    assert refusal(server.get(sign(path, f"{image}?w=201")))["limit"]["name"] == "max-size", "the bounds hold for all"
    assert server.get(sign(path, f"{image}?preset=wide")).status == 200, "but not for presets"
    for changed in ("preset=wide", "preset=card&w=60", "preset="):
        assert refused(server.get(sign(path, f"{image}?preset=card").replace("preset=card", changed)), "signature")
    url = server.get(f"/files/{told['id']}/image-url?preset=card&w=50", bearer("reader-key")).json()["url"]
    assert "preset=card" in url and "sig=" in url
    assert decode(server.get(url).body).size == (50, 30)


def test_a_signature_that_is_required_is_required_of_presets_too(start, tmp_path, directory):
    path = write(tmp_path / "signing-keys", f"one {KEY}\n", 0o600)
    server = start(f"--data={tmp_path / 'data'}", f"--presets={directory / 'presets'}", "--only-presets", "--sign=required", f"--signing-keys={path}")
    image = keep(server, photo()).split("?")[0]
    assert refused(server.get(f"{image}?preset=card"), "signature")
    assert server.get(sign(path, f"{image}?preset=card")).status == 200


def test_only_presets_needs_presets():
    result = subprocess.run([BINARY, "--only-presets"], capture_output=True, text=True, timeout=HANG, env=environment())
    assert result.returncode == 2 and "--only-presets" in result.stderr and "--presets" in result.stderr


# ---- caches


DAY = "public, max-age=86400, stale-while-revalidate=604800"


def test_caches_keep_a_preset_for_a_day(server):
    image = keep(server, photo())
    for query in ("preset=card", "preset=card&w=50", "w=50", ""):
        assert server.get(f"{image}?{query}")["Cache-Control"] == DAY


@pytest.mark.slow
def test_caches_keep_what_a_signed_address_shows_until_it_may_change(start, tmp_path, directory):
    """A preset and a stored focal point for a day, all else for as long as the address is good."""
    path = write(tmp_path / "signing-keys", f"one {KEY}\n", 0o600)
    server = start(f"--data={tmp_path / 'data'}", f"--presets={directory / 'presets'}", f"--signing-keys={path}", "--sign=required")
    image = keep(server, photo()).split("?")[0]

    def numbers(query, life):
        text = server.get(sign(path, f"{image}?{query}", f"--life={life}"))["Cache-Control"]
        found = re.fullmatch(r"public, max-age=(\d+), (?:immutable|stale-while-revalidate=(\d+))", text)
        return int(found[1]), found[2] and int(found[2])

    focal = "w=50&h=100&fit=crop&crop=focalpoint"
    assert numbers("w=50", "10000h") == (31536000, None)
    assert numbers(focal, "10000h") == (86400, 604800), "there is no stored one yet"
    info = image.replace("/images/", "/files/") + "/info"
    assert server.request("PATCH", info, [("Content-Type", "application/merge-patch+json")], b'{"focal":{"x":1,"y":1}}').status == 200
    for query in ("preset=card", "preset=card&w=50", "preset=left", "preset=focal", focal):
        assert numbers(query, "10000h") == (86400, 604800), query
        fresh, stale = numbers(query, "30h")
        assert fresh == 86400 and 5 * 3600 <= stale <= 10 * 3600, "it is not used beyond its end"
        fresh, stale = numbers(query, "1h")
        assert 0 < fresh <= 4050 and stale == 0
    assert numbers(f"{focal}&fp-x=0.5", "10000h") == (31536000, None), "the address says where"


def test_the_operator_says_otherwise(start, tmp_path, directory):
    server = start(f"--data={tmp_path / 'data'}", f"--presets={directory / 'presets'}", "--image-cache-control=public, max-age=60")
    assert server.get(f"{keep(server, photo())}?preset=card")["Cache-Control"] == "public, max-age=60"
