"""`millrace health`: it asks the server that has the same options."""

import signal
import socket
import subprocess
import threading

import pytest
from server import BINARY, HANG, environment, wait_for

pytestmark = pytest.mark.once


def health(*options, **variables):
    command = [BINARY, "health", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment(**variables), check=False)


def assert_not_healthy(result, *words):
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("millrace: health: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_server_that_lives_says_so(server):
    result = health(f"--listen=127.0.0.1:{server.port}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")
    result = health("--ready", f"--listen=127.0.0.1:{server.port}")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ready\n", "")


def test_options_come_from_the_environment_and_a_file_as_the_server_s(server, tmp_path):
    assert health(MILLRACE_LISTEN=f"127.0.0.1:{server.port}").returncode == 0
    config = tmp_path / "millrace.conf"
    config.write_text(f"listen = 127.0.0.1:{server.port}\nworkers = 3\n")
    assert health("--ready", f"--config={config}").stdout == "ready\n"


def test_a_server_on_every_address_is_asked_over_loopback(start):
    server = start("--listen=*:0", "--open")
    assert health(MILLRACE_LISTEN=f"*:{server.port}").returncode == 0, "that it is open, or has keys, need not be known"
    assert health(f"--listen=0.0.0.0:{server.port}", "--open").returncode == 0


def test_a_unix_socket_is_asked(start, tmp_path):
    start(f"--listen=unix:{tmp_path}/socket")
    assert health(f"--listen=unix:{tmp_path}/socket").returncode == 0
    assert_not_healthy(health(f"--listen=unix:{tmp_path}/other"), "unix:", "No such file")


def test_a_server_that_drains_lives_and_is_not_ready(start):
    server = start("--drain-delay=10m")
    address = f"--listen=127.0.0.1:{server.port}"
    server.signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503, "the drain to begin")
    assert health(address).returncode == 0
    assert_not_healthy(health("--ready", address), "503", "urn:millrace:problem:shutting-down")
    server.signal(signal.SIGTERM)
    server.wait()
    server.drained = True
    assert_not_healthy(health(address), "Connection refused")


@pytest.mark.parametrize("sent, word", [(b"220 mail.example ESMTP\r\n", "does not speak HTTP"), (b"", "does not speak HTTP")])
def test_what_listens_there_but_is_no_server_is_not_healthy(sent, word):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_one():
            with listener.accept()[0] as peer:
                peer.recv(1000)
                peer.sendall(sent)

        thread = threading.Thread(target=serve_one)
        thread.start()
        assert_not_healthy(health(f"--listen=127.0.0.1:{listener.getsockname()[1]}"), word)
        thread.join()


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_on():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert_not_healthy(health(f"--listen=127.0.0.1:{listener.getsockname()[1]}"), "did not respond in time")


def test_a_wrong_option_is_named():
    for option in ("--listen=nowhere", "--workers=many", "--no-such-option"):
        result = health(option)
        assert (result.returncode, result.stdout) == (2, "") and option.partition("=")[2 if "nowhere" in option else 0] in result.stderr
    assert "--ready" in health("--help").stdout
