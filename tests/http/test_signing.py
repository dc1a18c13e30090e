"""Signed addresses: `millrace signing-key` and `millrace sign`, the programs of docs/signing.md, and the file of keys that a server reads."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import time
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from server import BINARY, HANG, ROOT, environment, wait_for

pytestmark = pytest.mark.once

DOCUMENT = (ROOT / "docs/signing.md").read_text()
UP = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # bytes 0 to 31
DOWN = "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"  # 255 down to 224
ID = "/images/01M8MMF2NAXJFYWDJD7847071C"
EXPIRES = 1764547200


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def keys(tmp_path):
    return write(tmp_path / "signing-keys", f"# kid key\none {UP}\nold {DOWN}\n")


def run(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=HANG, env=environment())


def sign(url, keys, *options):
    result = run("sign", url, f"--signing-keys={keys}", *options)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return result.stdout.removesuffix("\n")


def expected(path, parameters, kid="one", key=UP, expires=EXPIRES):
    """By the specification."""
    pairs = sorted([*parameters.items(), ("kid", kid), ("expires", str(expires))], key=lambda pair: pair[0].encode())
    text = path + "?" + "&".join(quote(name, safe="") + "=" + quote(value, safe="") for name, value in pairs)
    mac = hmac.digest(base64.urlsafe_b64decode(key + "="), text.encode(), hashlib.sha256)
    return text + "&sig=" + base64.urlsafe_b64encode(mac).decode().rstrip("=")


# ---- millrace sign


def test_an_address_is_signed_in_the_form_that_it_has(keys):
    wanted = expected(ID, {"w": "300", "fm": "webp"})
    for front in ("", "https://media.example", "http://127.0.0.1:8080", "HTTP://[::1]:80"):
        assert sign(f"{front}{ID}?w=300&fm=webp", keys, f"--expires={EXPIRES}") == front + wanted
    assert sign(ID, keys, f"--expires={EXPIRES}") == expected(ID, {})
    assert sign("https://h", keys, f"--expires={EXPIRES}") == "https://h" + expected("/", {})
    assert sign("https://h?w=1", keys, f"--expires={EXPIRES}") == "https://h" + expected("/", {"w": "1"})


def test_each_spelling_of_the_parameters_is_signed_as_one(keys):
    wanted = expected(ID, {"txt": "a b+ü/€", "w": "1", "trim": ""})
    for query in ("txt=a+b%2Bü/€&w=1&trim", "trim=&&w=1&txt=a%20b%2b%C3%BC%2F%e2%82%ac", "%77=1&txt=a b%2bü/€&trim&s=of-imgix"):
        assert sign(f"{ID}?{query}", keys, f"--expires={EXPIRES}") == wanted


def test_the_path_of_the_public_url_is_not_signed(keys):
    public = "https://media.example/store"
    signed = expected(ID, {"w": "1"})
    for text in (public, public + "/"):
        assert sign(f"{public}{ID}?w=1", keys, f"--expires={EXPIRES}", f"--public-url={text}") == public + signed
    assert sign(f"{ID}?w=1", keys, f"--expires={EXPIRES}", f"--public-url={public}") == signed
    for other in ("https://media.example/storage/x", "https://other.example/store/x", "http://media.example/store/x"):
        result = run("sign", other, f"--signing-keys={keys}", f"--public-url={public}")
        assert result.returncode == 2 and "--public-url" in result.stderr


def expires_of(url):
    return int(dict(parse_qsl(urlsplit(url).query))["expires"])


@pytest.mark.parametrize("options, life", [([], 86400), (["--life=8m"], 480), (["--life=1s"], 1), (["--life=10s"], 10)])
def test_a_life_is_rounded_up_to_an_eighth(keys, options, life):
    before = int(time.time())
    expires = expires_of(sign(ID, keys, *options))
    step = max(life // 8, 1)
    assert expires % step == 0 and before + life <= expires < time.time() + life + step


def test_the_first_key_signs(keys):
    write(keys, f"new {DOWN}\none {UP}\n")
    assert sign(ID, keys, f"--expires={EXPIRES}") == expected(ID, {}, "new", DOWN)


@pytest.mark.parametrize(
    "arguments, word",
    [([], "URL"), ([ID, "other"], "other"), ([ID, "--life=0"], "--life"), ([ID, "--expires=0"], "--expires"), ([ID, "--life=1h", "--expires=9"], "--life"),
     ([ID, "--expires=253402300800"], "--expires"), ([ID, "--expires=soon"], "--expires"), ([ID + "#top"], "fragment"), (["images/x"], "slash"),
     (["ftp://h/x"], "http"), (["http://"], "host"), (["https:///x"], "host"), (["/a b"], "escaped"), (["/a\\b"], "escaped"), (["/ä"], "escaped"), (["/%2"], "%"),
     ([ID + "?w=1&w=2"], '"w"'), ([ID + "?w=%"], '"w"'), ([ID + "?kid=one"], '"kid"'), ([ID + "?sig="], '"sig"'), ([ID + "?expires=1"], '"expires"'),
     ([ID, "--public-url=media.example"], "--public-url"), (["", ID], "option")],
)  # fmt: skip
def test_wrong_usage_of_sign(keys, arguments, word):
    result = run("sign", *arguments, f"--signing-keys={keys}")
    assert result.returncode == 2 and result.stdout == ""
    first, *usage = result.stderr.splitlines()
    assert first.startswith("millrace: sign: ") and word in first and any("millrace sign URL" in each for each in usage)


def test_a_file_of_keys_is_needed_and_must_be_good(keys):
    result = run("sign", ID)
    assert result.returncode == 2 and "--signing-keys" in result.stderr
    for text, mode, word in (("", 0o600, "no key"), (f"a {UP}x\n", 0o600, "line 1"), (f"a {UP}\n", 0o644, "0644")):
        result = run("sign", ID, f"--signing-keys={write(keys, text, mode)}")
        assert result.returncode == 1 and result.stdout == "" and word in result.stderr and UP not in result.stderr
        assert result.stderr.startswith("millrace: sign: --signing-keys: ") and result.stderr.count("\n") == 1
    keys.unlink()
    assert "No such file" in run("sign", ID, f"--signing-keys={keys}").stderr


def test_an_address_that_cannot_be_written_is_said(keys):
    with open("/dev/full", "w") as full:
        result = subprocess.run([BINARY, "sign", ID, f"--signing-keys={keys}"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=HANG)
    assert result.returncode == 1 and "No space" in result.stderr


# ---- millrace signing-key


def test_what_signing_key_makes_is_used(tmp_path):
    lines = [run("signing-key", kid) for kid in ("2026-11", "a" * 32, "2026-11")]
    assert all(each.returncode == 0 and each.stderr == "" for each in lines)
    assert re.fullmatch(r"2026-11 [A-Za-z0-9_-]{43}\n", lines[0].stdout) and lines[0].stdout != lines[2].stdout
    keys = write(tmp_path / "keys", lines[0].stdout + lines[1].stdout)
    kid, key = lines[0].stdout.split()
    assert sign(f"{ID}?w=1", keys, f"--expires={EXPIRES}") == expected(ID, {"w": "1"}, kid, key)


@pytest.mark.parametrize("arguments, word", [([], "KID"), (["a b"], "KID"), (["a@b"], "KID"), (["x" * 33], "KID"), (["a", "b"], "b"), (["a", "--x"], "--x")])
def test_wrong_usage_of_signing_key(arguments, word):
    result = run("signing-key", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    first, *usage = result.stderr.splitlines()
    assert first.startswith("millrace: signing-key: ") and word in first and any("signing-key KID" in each for each in usage)


def test_a_key_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as full:
        result = subprocess.run([BINARY, "signing-key", "a"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=HANG)
    assert result.returncode == 1 and "No space" in result.stderr


def test_help_of_the_commands():
    for command, word in (("sign", "--expires"), ("signing-key", "KID")):
        result = run(command, "--help")
        assert result.returncode == 0 and word in result.stdout and all(len(each) <= 110 for each in result.stdout.splitlines())


# ---- the programs of the document

SETS = [
    {},
    {"w": "300", "fm": "webp"},
    {"trim": "", "trim-tol": "1", "ar": "3:2", "w": "1", "w2": "2", "W": "3", "bg": "#fff"},
    {"txt": "a b+c&d=e/ü€𝄞~*'()!%41\"<>", "blend": "https://x.example/?a=b&c"},
]


def programs(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/signing.md has no {language}"
    return found


def check_program(keys, compute):
    """compute(path, parameters, kid, key, expires): what the program gives."""
    for parameters in SETS:
        query = "&".join(quote(name, safe="") + "=" + quote(value, safe="") for name, value in parameters.items())
        for kid, key in (("one", UP), ("2026.11_-x", DOWN)):
            write(keys, f"{kid} {key}\n")
            wanted = sign(f"{ID}?{query}", keys, f"--expires={EXPIRES}")
            assert wanted == expected(ID, parameters, kid, key)
            assert compute(ID, parameters, kid, key, EXPIRES) == wanted


def output(*command, **more):
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False, **more)
    assert result.returncode == 0, result.stderr
    return result.stdout.removesuffix("\n")


def need(program):
    return shutil.which(program) or pytest.skip(f"{program} is not there")


@pytest.mark.unsanitized("the program of the document is what is tried")
def test_the_python_of_the_document(keys):
    [code] = programs("python")
    names = {}
    exec(code, names)  # noqa: S102
    check_program(keys, names["sign"])


@pytest.mark.slow
@pytest.mark.unsanitized("the program of the document is what is tried")
def test_the_javascript_of_the_document(keys, tmp_path):
    node = need("node")
    [code] = programs("javascript")
    file = write(tmp_path / "sign.mjs", code + "console.log(sign(...JSON.parse(process.argv[2])));\n")
    check_program(keys, lambda *arguments: output(node, file, json.dumps(arguments)))


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.unsanitized("the program of the document is what is tried")
def test_the_shell_of_the_document(keys, shell):
    need("openssl")
    [code] = [each for each in programs("sh") if "sign()" in each]

    def compute(path, parameters, kid, key, expires):
        pairs = [quote(name, safe="") + "=" + quote(value, safe="") for name, value in parameters.items()]
        return output(need(shell), "-euc", code + 'sign "$@"', "sign", path, kid, key, str(expires), *pairs)

    check_program(keys, compute)


def test_the_go_of_the_document(keys, tmp_path):
    go = need("go")
    [code] = programs("go")
    imports = ["crypto/hmac", "crypto/sha256", "encoding/base64", "encoding/json", "fmt", "net/url", "os", "strconv", "strings"]
    main = """
        func main() {
            var arguments []any
            json.Unmarshal([]byte(os.Args[1]), &arguments)
            parameters := url.Values{}
            for name, value := range arguments[1].(map[string]any) {
                parameters.Set(name, value.(string))
            }
            fmt.Println(sign(arguments[0].(string), parameters, arguments[2].(string), arguments[3].(string), int64(arguments[4].(float64))))
        }"""
    file = write(tmp_path / "sign.go", "package main\nimport (\n" + "".join(f'"{each}"\n' for each in imports) + f")\n{code}{main}\n")
    program = tmp_path / "sign"
    output(go, "build", "-o", program, file, env=os.environ | {"GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off", "CGO_ENABLED": "0"})
    check_program(keys, lambda *arguments: output(program, json.dumps(arguments)))


def test_the_vector_of_the_document(keys):
    rows = dict(re.findall(r"^\| (key|address|signed text|`sig`) \| `([^`]*)`", DOCUMENT, re.MULTILINE))
    write(keys, rows["key"] + "\n")
    path, query = rows["address"].split("?")
    url = sign(f"{path}?{query.replace('+', '%2B')}", keys, f"--expires={EXPIRES}")
    assert url == rows["signed text"] + "&sig=" + rows["`sig`"]


# ---- the server


@pytest.mark.slow
def test_a_bad_file_is_told_at_the_start(keys):
    for text, mode, word in (("", 0o600, "no key"), (f"one {UP}\ntwo short\n", 0o600, "line 2"), (f"a {UP} x=y\n", 0o600, '"x"'), (f"a {UP}\n", 0o660, "0660")):
        write(keys, text, mode)
        for more in ([], ["--check-config"], ["--processes=2"]):
            result = run(f"--signing-keys={keys}", *more)
            assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
            assert "--signing-keys" in result.stderr and word in result.stderr and UP not in result.stderr
    write(keys, f"a {UP}\n", 0o640)
    assert run("--check-config", f"--signing-keys={keys}", "--sign-life=36h").returncode == 0
    for life in ("0", "500ms", "100000h", "soon"):
        result = run("--check-config", f"--sign-life={life}")
        assert result.returncode == 2 and "--sign-life" in result.stderr


@pytest.mark.under("workers")
def test_all_processes_read_the_keys_again(start, keys):
    server = start("--processes=2", "--workers=1", f"--signing-keys={keys}")

    def reload(said):
        def heard():
            return sum(said in each for each in list(server.log))

        wanted = heard() + 1 + len(server.children())
        server.signal(signal.SIGHUP)
        wait_for(lambda: heard() >= wanted, "all to read the keys again")

    wait_for(lambda: any("2 signing keys in" in each for each in list(server.log)), "the number of keys")
    write(keys, f"one {UP}\n")
    reload("signing keys read again")
    write(keys, f"one {UP}\nbroken\n")
    reload("the signing keys are not read again, the old ones stay in use")
    assert UP not in server.text() and DOWN not in server.text()
    assert server.get("/healthz").status == 200
