"""Fixtures of the black-box tests.

MILLRACE_BINARY    the server to test (build/millrace)
MILLRACE_OFFLOADS  under which offloads, separated by commas (workers,libuv,none)

Every test that uses a server is run under each offload. At its end the server must have come to rest: no connection, no
request, no job, no byte of the memory budget left, and no report of a sanitizer. A server that a test started for
itself must then drain on SIGTERM and exit 0; so must the shared one in the end.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from server import BINARY, Server  # noqa: E402

OFFLOADS = os.environ.get("MILLRACE_OFFLOADS", "workers,libuv,none").split(",")


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: build it (script/test http does), or set MILLRACE_BINARY", 2)


@pytest.fixture(params=OFFLOADS, scope="session")
def offload(request):
    return request.param


@pytest.fixture(scope="session")
def shared_servers(offload):
    servers = []
    yield servers
    for each in servers:
        each.assert_drains()


@pytest.fixture
def server(shared_servers, offload):
    """A server with default options, shared by the tests that leave no trace in it."""
    if not shared_servers or shared_servers[-1].exited():
        shared_servers.append(Server(f"--offload={offload}", "--workers=2"))
    yield shared_servers[-1]
    try:
        shared_servers[-1].assert_at_rest()
    except AssertionError:
        shared_servers.pop().kill()  # the next test begins with another one
        raise


@pytest.fixture
def start(offload):
    """start(option...) starts a server of the test's own."""
    servers = []

    def start_one(*options, **more):
        servers.append(Server(f"--offload={offload}", *options, **more))
        return servers[-1]

    yield start_one
    try:
        for each in servers:
            each.assert_drains()
    finally:
        for each in servers:
            each.kill()
