"""GET /openapi.yaml: it is valid, it is what the server is, and each request in it does what it says.

The validator is @seriousme/openapi-schema-validator (npm), which script/bootstrap --test puts into .cache/npm.
"""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from images import photo
from server import ROOT

NEEDED = ROOT / ".cache/npm/node_modules/@seriousme/openapi-schema-validator"
ID = "01M8MMF2NAXJFYWDJD7847071C"  # stands for an id in the examples
METHODS = {"get", "head", "post", "put", "patch", "delete"}
TIMED_OUT = 28  # of curl

pytestmark = pytest.mark.once


def read(server, fields=()):
    response = server.get("/openapi.yaml", fields)
    assert response.status == 200, response.body
    assert response["Content-Type"] == "application/yaml"
    return yaml.load(response.body, yaml.CSafeLoader)


def operations(document):
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in item if method in METHODS
    ]


def check(text, values=()):
    """What the validator complains of, and which of the values ({"at": pointer, "value": ...}) are not as described."""
    if shutil.which("node") is None or not NEEDED.exists():
        pytest.skip("needs node and the npm packages of script/bootstrap --test")
    asked = json.dumps({"document": text, "values": list(values)})
    done = subprocess.run(["node", Path(__file__).with_name("openapi.mjs")], input=asked, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def kept(start, tmp_path):
    return start(f"--data={tmp_path / 'data'}", "--lab")


@pytest.fixture
def guarded(start, tmp_path):
    """With keys, and with all else that the document depends on. `.fields` have a key with all rights."""
    keys, key = tmp_path / "keys", "a-key-with-all-rights"
    rights = "pipe,upload,read,list,edit,delete,metrics,admin"
    keys.touch(0o600)
    keys.write_text(f"everything sha256:{hashlib.sha256(key.encode()).hexdigest()} {rights}\n")
    options = ("--read=key", "--public-url=https://media.example.org", "--max-body=0", "--allow-request-identity", "--lab")
    return start(f"--data={tmp_path / 'data'}", f"--api-keys={keys}", *options, key=key)


# ---- the document


def test_it_is_valid(server):
    assert check(server.get("/openapi.yaml").body.decode()) == []


def test_it_looks_good_to_people(server):
    text = server.get("/openapi.yaml").body.decode()
    assert text.startswith('openapi: "3.1.0"\ninfo:\n  title: Millrace\n') and text.endswith("\n")
    assert not re.search(r"[\t\r]| \n|\n\n", text)
    assert max(len(line) for line in text.splitlines()) <= 250


def test_yaml_and_json_readers_agree(server):
    """A reader of YAML 1.1 takes words for something else that a reader of YAML 1.2 does not."""
    text = server.get("/openapi.yaml").body.decode()
    if shutil.which("node") is None or not NEEDED.exists():
        pytest.skip("needs node and the npm packages of script/bootstrap --test")
    script = f"""import {{ parse }} from "{ROOT}/.cache/npm/node_modules/yaml/dist/index.js";
        import {{ text }} from "node:stream/consumers";
        process.stdout.write(JSON.stringify(parse(await text(process.stdin))));"""
    done = subprocess.run(["node", "--input-type=module", "-e", script], input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == yaml.load(text, yaml.CSafeLoader)


def test_its_paths_and_methods_are_those_of_the_server(kept):
    for path, item in read(kept)["paths"].items():
        asked = path.replace("{id}", ID).replace("{stages}", "image/gzip")
        allowed = set(kept.request("OPTIONS", asked)["Allow"].lower().split(", "))
        assert allowed == (METHODS & item.keys()) | {"options"}, path


def test_what_the_root_lists_is_in_it(server):
    paths = read(server)["paths"].keys()
    for line in server.get("/").body.decode().splitlines():
        if match := re.match(r"[A-Z]+ +(/[a-z./]*)", line):
            assert any(path.startswith(match[1]) for path in paths), line


def test_parameters_are_those_of_get_pipe(server):
    known = read(server)["components"]["parameters"]
    stages = server.get("/pipe").json()["stages"]
    for stage in stages:
        for parameter in stage["parameters"]:
            told = known[f"{stage['name']}.{parameter['name']}"]
            schema = told["schema"].get("items", told["schema"])
            assert told["name"] == parameter["name"] and told["description"] == parameter["text"]
            assert schema.get("minimum") == parameter.get("min") and schema.get("maximum") == parameter.get("max")
            assert schema.get("enum") == parameter.get("choices") and told.get("x-unit") == parameter.get("unit")
    own = {name for name in known if "." in name and not name.startswith("field.")}
    assert own == {f"{stage['name']}.{parameter['name']}" for stage in stages for parameter in stage["parameters"]}


def test_each_problem_that_the_tests_know_is_in_it(server):
    document = read(server)
    types = set(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"])
    statuses = document["components"]["responses"].keys()
    for file in Path(__file__).parent.glob("test_*.py"):
        text = file.read_text()
        assert set(re.findall(r"\"(urn:millrace:problem:[a-z-]+)\"", text)) <= types, file
        assert set(re.findall(r"status == ([45][0-9][0-9])\b", text)) <= statuses, file


# ---- how the server was started


def test_without_a_directory_files_are_a_problem_and_so_is_a_lab_that_is_none(server):
    for path, method, operation in operations(read(server)):
        missing = {"files": "no-data-directory", "images": "no-data-directory", "lab": "no-lab"}.get(path.split("/")[1])
        if missing is not None:
            assert operation["responses"].keys() == {"404", "default"}, (path, method)
            assert operation["responses"]["404"]["description"] == missing
            assert "x-codeSamples" not in operation
        else:
            assert "200" in operation["responses"], (path, method)


def test_without_keys_nothing_is_said_of_them(server):
    document = read(server)
    assert "securitySchemes" not in document["components"]
    for path, method, operation in operations(document):
        assert "security" not in operation and "401" not in operation["responses"], (path, method)
        assert "403" not in operation["responses"] or path.startswith("/lab"), (path, method)


def test_with_keys_each_operation_names_its_rights(guarded):
    wanted = {
        ("/", "get"): [],
        ("/healthz", "head"): [],
        ("/version", "get"): [{"key": []}],
        ("/openapi.yaml", "get"): [{"key": []}],
        ("/pipe/gzip", "put"): [{"key": ["pipe"]}],
        ("/files", "post"): [{"key": ["upload"]}],
        ("/files/{id}", "get"): [{"key": ["read"]}, {"key": ["pipe", "read"]}],  # with --read=key; and with ?through=
        ("/files/{id}", "delete"): [{"key": ["delete"]}],
        ("/metrics", "get"): [{"key": ["metrics"]}],
    }
    document = read(guarded, guarded.fields)
    assert check(guarded.get("/openapi.yaml", guarded.fields).body.decode()) == []
    assert document["servers"] == [{"url": "https://media.example.org"}]
    found = {(path, method): operation for path, method, operation in operations(document)}
    assert {key: found[key]["security"] for key in wanted} == wanted
    for key, operation in found.items():
        assert ("401" in operation["responses"]) == ("403" in operation["responses"]) == (operation["security"] != []), key
    assert "maxLength" not in json.dumps(found["/files", "post"]["requestBody"])  # --max-body=0
    assert "field.Age-Identity" in json.dumps(found["/pipe/decrypt", "post"].get("parameters", document["paths"]["/pipe/decrypt"]))
    headers = found["/files/{id}", "get"]["responses"]["200"]["headers"]
    assert headers["Cache-Control"]["schema"]["example"] == guarded.request("HEAD", upload(guarded), guarded.fields)["Cache-Control"]


def test_files_that_all_clients_read_need_a_key_for_stages(start, tmp_path):
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(f"everything sha256:{hashlib.sha256(b'a-key').hexdigest()} pipe,metrics\n")
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={keys}", key="a-key")
    paths = read(server, server.fields)["paths"]
    operation = paths["/files/{id}"]["get"]
    assert operation["security"] == [{}, {"key": ["pipe"]}] and {"401", "403"} <= operation["responses"].keys()
    assert paths["/images/{id}"]["get"]["security"] == [{"key": ["read"]}, {}], "where its address must be signed"


def test_a_signed_address_needs_no_key(start, tmp_path):
    keys, signing = tmp_path / "keys", tmp_path / "signing"
    for path, text in ((keys, f"everything sha256:{hashlib.sha256(b'a-key').hexdigest()} read,metrics\n"), (signing, f"one {'A' * 43}\n")):
        path.touch(0o600)
        path.write_text(text)
    server = start(f"--data={tmp_path / 'data'}", f"--api-keys={keys}", f"--signing-keys={signing}", "--read=key", key="a-key")
    paths = read(server, server.fields)["paths"]
    assert paths["/images/{id}"]["get"]["security"] == [{"key": ["read"]}, {}]
    assert paths["/files/{id}"]["get"]["security"] == [{"key": ["read"]}, {}, {"key": ["pipe", "read"]}]


def upload(server, body=b"hello"):
    response = server.post("/files", body, server.fields)
    assert response.status == 201, response.body
    return "/files/" + response.json()["id"]


def test_any_key_reads_it_and_no_other_client(guarded):
    assert guarded.get("/openapi.yaml").status == 401
    assert guarded.get("/openapi.yaml", guarded.fields).status == 200
    assert guarded.request("HEAD", "/openapi.yaml", guarded.fields).status == 200


@pytest.mark.parametrize("target", ["/openapi.yaml", "/pipe", "/version"])
def test_a_client_that_has_it_is_told_so(server, target):
    first = server.get(target)
    assert first["Cache-Control"] == "no-cache"
    again = server.get(target, {"If-None-Match": first["ETag"]})
    assert again.status == 304 and again["ETag"] == first["ETag"]
    assert server.get(target, {"If-None-Match": '"other"'}).body == first.body
    assert server.get(target, {"If-Match": '"other"'}).status == 412
    head = server.request("HEAD", target)
    assert head.status == 200 and head["Content-Length"] == str(len(first.body))


# ---- its examples


class Curl:
    """Runs the examples in a directory of their own, for a server."""

    def __init__(self, server, directory, base, key):
        self.server, self.directory, self.base = server, directory, base
        self.environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "KEY": key or ""}
        (directory / "photo.jpg").write_bytes(photo())
        (directory / "letter.txt").write_text("Dear reader,\n" * 1000)
        self.file = upload(server, photo()).rsplit("/", 1)[1]

    def run(self, line):
        """The status, the media type and the body of the response."""
        line = line.replace(self.base, f"http://127.0.0.1:{self.server.port}").replace(ID, self.file)
        assert line.startswith("curl ")
        wrapped = "curl -sS -D head --noproxy '*'" + line[len("curl") :]
        done = subprocess.run(["bash", "-c", wrapped], cwd=self.directory, env=self.environment, capture_output=True, timeout=300)
        assert done.returncode in ((0, TIMED_OUT) if "--max-time" in line else (0,)), (line, done.stderr)
        heads = (self.directory / "head").read_text().replace("\r", "").strip().split("\n\n")
        head = heads[-1] if not heads[-1].startswith("Server-Timing") else heads[-2]  # trailers stand behind it
        status = int(head.split()[1])
        media_type = re.search(r"(?mi)^Content-Type: (.*)$", head)
        output = re.search(r" -o (\S+)$", line)
        body = (self.directory / output[1]).read_bytes() if output else done.stdout
        return status, media_type and media_type[1], body


def pointer(*steps):
    return "".join("/" + step.replace("~", "~0").replace("/", "~1").replace(" ", "%20").replace("{", "%7B").replace("}", "%7D") for step in steps)


def is_of(media_type, documented):
    return documented in ("*/*", media_type) or documented == media_type.split("/")[0] + "/*"


def call_all(server, document, directory, base, key=None):
    """Send each example, what deletes last. The JSON that came, as check() wants it."""
    curl, values, called = Curl(server, directory, base, key), [], 0
    for path, method, operation in sorted(operations(document), key=lambda each: each[1] == "delete"):
        assert operation["x-codeSamples"], (path, method)
        for sample in operation["x-codeSamples"]:
            wanted = re.search(r" \((\d+)\)$", sample["label"])[1]
            status, media_type, body = curl.run(sample["source"])
            assert str(status) == wanted, (sample, body[:500])
            response = operation["responses"][wanted]
            called += 1
            if method == "head" or "content" not in response:
                assert body == b"" or method == "head", sample
                continue
            documented = next((each for each in response["content"] if is_of(media_type, each)), None)
            assert documented is not None, (sample, media_type)
            if media_type == "application/json" and documented == media_type:
                at = pointer("paths", path, method, "responses", wanted, "content", documented, "schema")
                values.append({"at": at, "value": json.loads(body)})
    assert called > 40
    return values


@pytest.mark.slow
@pytest.mark.unsanitized("each request in it has a test of its own")
def test_each_example_does_what_it_says(kept, tmp_path):
    directory = tmp_path / "client"
    directory.mkdir()
    document = read(kept)
    values = call_all(kept, document, directory, "http://127.0.0.1:8080")
    assert (directory / "again.txt").read_text() == "Dear reader,\n" * 1000
    assert (directory / "small.jpg").read_bytes()[:2] == b"\xff\xd8"
    problem = kept.get("/files/nothing").json()
    limited = kept.get("/pipe/image?w=99999999999").json()
    values += [{"at": pointer("components", "schemas", "Problem"), "value": each} for each in (problem, limited)]
    assert len(values) > 10
    assert check(kept.get("/openapi.yaml").body.decode(), values) == []


@pytest.mark.slow
@pytest.mark.unsanitized("each request in it has a test of its own")
def test_each_example_works_with_a_key(guarded, tmp_path):
    directory = tmp_path / "client"
    directory.mkdir()
    key = guarded.fields["Authorization"].split()[1]
    document = read(guarded, guarded.fields)
    del document["paths"]["/pipe/encrypt"], document["paths"]["/pipe/decrypt"]  # a passphrase is much work
    call_all(guarded, document, directory, "https://media.example.org", key)
