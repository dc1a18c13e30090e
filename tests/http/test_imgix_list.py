"""Each parameter of imgix is served or refused by its name, as docs/image.md says of it.

imgix' list is the npm package imgix-url-params in .cache/npm, where script/bootstrap --test puts it.
"""

import json
import re

import pytest
from images import encode, quadrants
from server import ROOT

LIST = ROOT / ".cache/npm/node_modules/imgix-url-params/dist/parameters.json"
DOCS = (ROOT / "docs/image.md").read_text()
NOT_IN_QUERIES_HERE = {"s", "expires"}  # told below the table
NEEDS = {"fit": "w=8&h=8", "crop": "w=8&h=8&fit=crop"}

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def theirs():
    if not LIST.exists():
        pytest.skip("needs the npm packages of script/bootstrap --test")
    return json.loads(LIST.read_text())


def words(text):
    return re.findall(r"`([^`]+)`", text)


def section(title):
    return DOCS.split(f"{title}\n", 1)[1].split("\n#", 1)[0]


def table():
    """{name: the column "as imgix"} of what is served."""
    rows = [line.split("|") for line in section("## Parameters").splitlines() if line.startswith("| `")]
    return {name: row[4].strip() for row in rows for name in words(row[1])}


def refused():
    return {name for line in section("### Parameters of imgix that are 400").splitlines() for name in words(line) if line.startswith("| ")}


def words_of(parameter):
    """What imgix lists as its values."""
    return {str(word) for kind in parameter["expects"] for word in kind.get("possible_values", [])}


def send(server, query):
    return server.post(f"/pipe/image?{query}", encode(quadrants(8, 8), "PNG"))


def test_the_table_has_all_parameters_and_tells_what_each_is_to_imgix(server, theirs):
    stages = {stage["name"]: stage for stage in server.get("/pipe").json()["stages"]}
    served, names = table(), set(theirs["parameters"]) - NOT_IN_QUERIES_HERE
    assert {each["name"] for each in stages["image"]["parameters"]} == set(served)
    assert all(re.match(r"(yes|yes\*[:,] .+|ours)$", text) for text in served.values()), served
    of_imgix = {name for name, text in served.items() if text != "ours"}
    assert names <= of_imgix | refused() and not names & (set(served) - of_imgix)
    assert not refused() & of_imgix


def test_what_is_not_served_is_400_with_its_name(server, theirs):
    for name in sorted(refused() | {alias for alias in theirs["aliases"] if alias not in table() and "=" not in alias and len(alias) <= 32}):
        response = send(server, f"{name}=1")
        assert response.status == 400 and f'"{name}"' in response.json()["detail"], (name, response.body)


def test_each_word_of_a_parameter_is_served_or_told_as_missing(server, theirs):
    for name, text in table().items():
        without = set(words(text.split("without", 1)[1])) if "without" in text else set()
        for word in words_of(theirs["parameters"].get(name, {"expects": []})) if text != "ours" else ():
            response = send(server, "&".join(filter(None, [NEEDS.get(name), f"{name}={word}"])))
            wanted = 400 if word in without else 200
            assert response.status == wanted, (name, word, response.body)
            assert wanted == 200 or name in response.json()["detail"]


def test_what_imgix_signs_with_is_passed_over(server):
    assert send(server, "w=4&ixlib=js-3.8.0&ixid=M3w&s=0123456789abcdef&expires=1").status == 200
