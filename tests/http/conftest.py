"""Fixtures of the black-box tests.

MILLRACE_BINARY    the server to test (build/millrace)
MILLRACE_OFFLOADS  under which offloads, separated by commas (workers,libuv,none,inline); also threads: then the server is
                   `millrace-bench serve-threads`, beside the binary
MILLRACE_PROCESSES each server with --processes=N (1)

Every test that uses a server is run under each offload. At its end the server must have come to rest: no connection, no
request, no job, no byte of the memory budget left, and no report of a sanitizer. A server that a test started for
itself must then drain on SIGTERM and exit 0; so must the shared one in the end.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from server import BINARY, ON_LOOP, PROCESSES, SANITIZER, Server, starting  # noqa: E402

OFFLOADS = os.environ.get("MILLRACE_OFFLOADS", "workers,libuv,none,inline").split(",")


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: build it (script/test http does), or set MILLRACE_BINARY", 2)


# The sanitizers are slow: under the other offloads they see those `threads` tests that are about the offload, and what holds the loop.
OF_OFFLOADS = ("test_lifecycle.py", "test_overload.py", "test_hostile_clients.py", "test_slow_clients.py")
# Under one offload, and yet seen by ThreadSanitizer: threads of the files' own stand beside the loop.
OF_FILE_THREADS = ("test_large_downloads.py", "test_failing_disk.py")


# What counts workers or loops, fills all queues, uses up a limit that several processes divide, takes descriptors from the one process, reads
# the log in the order of the requests, or asks again for what a process has in memory.
OF_ONE_PROCESS = (
    "test_flags_stand_above_the_environment_and_that_above_the_file",
    "test_max_connections_refuses_with_503_or_a_close",
    "test_what_is_in_use_goes_up_and_down",
    "test_a_full_queue_refuses_before_the_body_is_sent",
    "test_a_client_that_leaves_while_its_job_waits_is_never_worked_for",
    "test_a_job_that_waits_past_its_deadline_is_not_run",
    "test_a_body_larger_than_a_file_may_be_fails_alone",
    "test_no_descriptor_for_the_file_of_a_body_is_503",
    "test_a_budget_that_is_used_up_refuses_with_503_and_comes_back",
    "test_an_image_that_needs_more_than_the_budget_is_refused",
    "test_its_id_is_in_the_answer_and_never_twice",
    "test_a_valid_traceparent_is_logged_and_an_invalid_one_is_not",
    "test_running_out_of_descriptors_neither_spins_nor_kills",
    "test_more_listeners_than_there_may_be_are_refused",
    "test_each_loop_tells_of_all",
    "test_the_second_response_needs_no_job",
    "test_the_room_is_bounded_and_the_oldest_makes_way",
    "test_what_cannot_be_made_is_not_tried_again_at_once",
    "test_a_client_that_does_not_read_holds_what_it_was_promised",
)


# What cannot hold where each connection computes on a thread of its own, and why.
NOT_WITH_THREADS = {
    "test_two_hundred_jobs_at_once_are_done_or_refused": "jobs of other connections fill no queue",
    "test_a_full_queue_refuses_before_the_body_is_sent": "the same",
    "test_a_job_that_waits_past_its_deadline_is_not_run": "a job waits for no other connection's",
    "test_a_client_that_leaves_while_its_job_runs_stops_it": "its thread is at work, and nobody else looks at its socket",
    "test_a_client_that_leaves_while_its_job_waits_is_never_worked_for": "a job waits for no other connection's",
    "test_memory_that_large_images_needed_is_not_kept_once_for_each_thread": "four images are computed at a time, not two",
    "test_what_happened_in_the_second_shows": "nobody but its connection waits for a loop: there is no lag",
    "test_hundreds_of_idle_streams_whose_clients_leave_at_once_all_end": "there are fewer threads, and each sees one client leave",
    "test_more_listeners_than_there_may_be_are_refused": "each has a loop of its own",
    "test_each_loop_tells_of_all": "there are as many loops as connections may be",
    "test_each_process_tells_of_all": "there is one process",
    "test_a_flood_of_requests_from_a_client_that_does_not_read_is_held_back": "it scrapes 3,000 times, and each sums 256 loops",
}


def closest_marker(item):
    return next((marker.name for marker in item.iter_markers() if marker.name in ("once", "threads")), None)


def is_about_offload(item):
    return item.path.name == "test_blocked.py" or (closest_marker(item) == "threads" and item.path.name in OF_OFFLOADS)


def is_left_out(item):
    if PROCESSES != "1" and (item.originalname in OF_ONE_PROCESS or item.path.name == "test_serve_threads.py"):
        return True
    offload = item.callspec.params.get("offload", OFFLOADS[0]) if getattr(item, "callspec", None) else OFFLOADS[0]
    if offload == "threads" and (item.originalname in NOT_WITH_THREADS or item.path.name == "test_cluster.py"):
        return True
    under = item.get_closest_marker("under")
    if under is not None and offload not in under.args:
        return True
    if SANITIZER != "" and item.get_closest_marker("unsanitized") is not None:
        return True
    marker = closest_marker(item)
    has_threads = marker == "threads" or item.path.name in OF_FILE_THREADS
    if SANITIZER == "thread" and (not has_threads or offload in ON_LOOP):  # which has one thread
        return True
    if offload == OFFLOADS[0]:
        return False
    of_few = SANITIZER != "" or (offload == "inline" and "none" in OFFLOADS)  # which differs in the order of jobs and sockets alone
    return marker == "once" or (of_few and not is_about_offload(item))


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if is_left_out(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not is_left_out(item)]


@pytest.fixture(params=OFFLOADS, scope="session")
def offload(request):
    return request.param


@pytest.fixture(scope="session")
def shared_servers(offload):
    servers = {}  # by their options
    try:
        yield servers
        for each in servers.values():
            each.assert_drains()
    finally:
        for each in servers.values():
            each.kill()


@pytest.fixture
def share(shared_servers, offload):
    """share(option...) is a server with these options, shared by the tests that leave no trace in it."""
    used = {}

    def share_one(*options):
        options = tuple(str(option) for option in options)
        if options not in shared_servers or shared_servers[options].exited():
            shared_servers[options] = Server(offload, "--workers=2", *options)
        used[options] = shared_servers[options]
        return used[options]

    yield share_one
    for options, each in used.items():
        try:
            each.assert_at_rest()
        except AssertionError:
            shared_servers.pop(options).kill()  # the next test begins with another one
            raise


@pytest.fixture
def server(share):
    """A shared server with default options."""
    return share()


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory):
    """That of `kept`."""
    return tmp_path_factory.mktemp("kept") / "data"


@pytest.fixture
def kept(share, data_directory):
    """A shared server that keeps files, those of earlier tests among them."""
    return share(f"--data={data_directory}")


@pytest.fixture
def start(offload):
    """start(option...) starts a server of the test's own."""
    with starting(offload) as start_one:
        yield start_one
