"""What an address of an image may ask for: --formats, --operations, --max-size."""

import subprocess

import pytest
from images import blank_png, decode, encode, photo, quadrants
from server import BINARY, HANG, environment
from test_images_by_url import keep

pytestmark = pytest.mark.once

FENCES = ("--formats=webp,jpg", "--operations=w,h,dpr,fit,fm,rot,pad", "--max-size=200x150")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("fenced") / "data"


@pytest.fixture
def fenced(share, directory):
    return share(f"--data={directory}", *FENCES)


def refusal(response):
    assert response.status == 400 and response["Cache-Control"] == "no-store", response.body
    problem = response.json()
    assert problem["type"] == "urn:millrace:problem:bad-parameter"
    return problem


@pytest.mark.parametrize(
    "query, option, word",
    [("fm=png", "--formats", '"png"'), ("fm=tif", "--formats", '"tiff"'), ("fm=avif&w=10", "--formats", '"avif"'), ("blur=10", "--operations", '"blur"'),
     ("w=10&crop=top", "--operations", '"crop"'), ("q=75", "--operations", '"q"'), ("page=1", "--operations", '"page"'), ("strip=0", "--operations", '"strip"')],
)  # fmt: skip
def test_what_is_not_listed_is_refused_and_named(fenced, query, option, word):
    detail = refusal(fenced.get(f"{keep(fenced, photo())}?{query}"))["detail"]
    assert option in detail and word in detail


@pytest.mark.parametrize("query", ["", "w=20", "w=20&fm=webp", "h=20&fm=jpeg&dpr=2", "w=20&ixlib=js-3.8.0", "w=200&h=150&fit=fill", "s=0123"])
def test_what_is_listed_is_served(fenced, query):
    assert fenced.get(f"{keep(fenced, photo())}?{query}").status == 200


@pytest.mark.parametrize(
    "query, limit, value",
    [("w=201", 200, 201), ("h=151", 150, 151), ("w=101&dpr=2", 200, 202), ("w=10&h=19&dpr=8", 150, 152), ("w=201&pad=1", 200, 201), ("pad=100", 200, 201),
     ("w=151&rot=90", 150, 151), ("w=200&h=151&rot=45", 150, 151), ("w=65535&h=65535", 200, 65535), ("w=65535&dpr=8", 200, 65535)],
)  # fmt: skip
def test_a_size_above_the_largest_is_refused_with_both_numbers(fenced, query, limit, value):
    problem = refusal(fenced.get(f"{keep(fenced, photo())}?{query}"))
    assert problem["limit"] == {"name": "max-size", "value": limit} and problem["value"] == value
    assert f"{value} px" in problem["detail"] and "200x150" in problem["detail"]


@pytest.mark.parametrize("size", [(1000, 10), (10, 1000), (400, 300), (100, 100)])
def test_no_image_is_larger_whatever_the_original_is(fenced, size):
    image = keep(fenced, encode(quadrants(*size)))
    for query in ("", "w=200", "h=150", "w=10", "h=10", "w=20&fit=min", "h=30&fit=crop", "pad=20", "rot=90", "rot=30", "w=20&h=20&fit=fill&pad=5", "dpr=8"):
        response = fenced.get(f"{image}?{query}")
        assert response.status == 200, (query, response.body)
        width, height = decode(response.body).size
        assert width <= 200 and height <= 150, (query, width, height)
    shown = decode(fenced.get(image).body).size
    scale = min(200 / size[0], 150 / size[1], 1)
    assert shown == (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)), "as large as it may be, and not enlarged"


def test_a_format_that_was_not_given_is_one_that_is_allowed(fenced):
    assert fenced.get(keep(fenced, photo()))["Content-Type"] == "image/jpeg"
    image = keep(fenced, blank_png(20, 20))
    first, second = fenced.get(image), fenced.get(f"{image}?fm=webp")
    assert first["Content-Type"] == "image/webp", "PNG is not allowed: the first format of the list"
    assert first["ETag"] == second["ETag"] and second["Cache-Status"] == "millrace; hit"


def test_the_address_that_the_server_makes_is_within_the_fences(fenced):
    file = keep(fenced, photo()).replace("/images/", "/files/")
    assert refusal(fenced.get(f"{file}/image-url?w=201"))["limit"]["name"] == "max-size"
    refusal(fenced.get(f"{file}/image-url?fm=png"))
    assert fenced.get(fenced.get(f"{file}/image-url?w=50&fm=webp").json()["url"]).status == 200


def test_no_address_is_named_that_would_be_refused(share, directory):
    """The fences add a height, a fit and a format, which the address may not have."""
    server = share(f"--data={directory}-narrow", "--formats=webp", "--operations=w,q,crop", "--max-size=100x100")
    image = keep(server, photo())
    response = server.get(f"{image}?q=75&w=50")
    assert response["Link"] == f'<{image}?w=50>; rel="canonical"' and response["Content-Type"] == "image/webp"
    assert server.get(f"{image}?w=50")["ETag"] == response["ETag"]
    assert server.get(f"{image}?q=75")["Link"] == f'<{image}>; rel="canonical"'
    file = image.replace("/images/", "/files/")
    assert server.get(f"{file}/image-url?q=75&w=50").json()["url"] == f"{image}?w=50"


def test_of_the_fences_the_pipe_has_that_of_formats(fenced):
    assert "--formats" in fenced.post("/pipe/image?fm=png", photo()).json()["detail"]
    assert fenced.post("/pipe/image", encode(quadrants(8, 8), "PNG"))["Content-Type"] == "image/webp"
    response = fenced.post("/pipe/image?w=300&fm=jpg&blur=10", photo())
    assert response.status == 200 and decode(response.body).size == (300, 150)


@pytest.mark.parametrize(
    "option, word",
    [("--formats=webp,bmp", '"bmp"'), ("--formats=,", '""'), ("--operations=w,width", '"width"'), ("--max-size=100", "2000x1500"), ("--max-size=0x9", "1 to 65535")],
)
def test_wrong_fences_are_told_at_the_start(option, word):
    for more in ([], ["--check-config"]):
        result = subprocess.run([BINARY, option, *more], capture_output=True, text=True, timeout=HANG, env=environment())
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith(f"millrace: {option.split('=')[0]}: ") and word in result.stderr


def test_jpeg_xl_is_written_where_it_is_named(share, directory):
    usual, named = share(f"--data={directory}-usual"), share(f"--data={directory}-named", "--formats=jpg,jxl")
    for target in ("/pipe/image?fm=jxl", f"{keep(usual, photo())}?fm=jxl"):
        response = usual.post(target, photo()) if "pipe" in target else usual.get(target)
        assert response.status == 400 and "--formats" in response.json()["detail"], response.body
    for response in (named.post("/pipe/image?fm=jxl&w=50", photo()), named.get(f"{keep(named, photo())}?fm=jxl&w=50")):
        if "jxl" not in named.get("/version").json()["image"]["writes"]:
            assert response.status == 415 and "image/jxl" in response.json()["detail"]
            continue
        assert response.status == 200 and response["Content-Type"] == "image/jxl", response.body
        assert response.body[:2] == b"\xff\x0a" or response.body[4:8] == b"JXL "
    assert named.post("/pipe/image", b"\xff\x0a" + bytes(100)).status == 415, "it is not read"
