"""Signed addresses: the file of keys that a server reads."""

import signal
import subprocess

import pytest
from server import BINARY, HANG, environment, wait_for

pytestmark = pytest.mark.once

UP = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"  # bytes 0 to 31
DOWN = "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"  # 255 down to 224


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def keys(tmp_path):
    return write(tmp_path / "signing-keys", f"# kid key\none {UP}\nold {DOWN}\n")


def run(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=HANG, env=environment())


# ---- the server


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
