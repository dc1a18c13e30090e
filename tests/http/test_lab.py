"""The lab (--lab): the switch that says where the jobs of its load run, and that load."""

import hashlib
import subprocess

import pytest
from images import photo
from server import BINARY, SLOWLY, environment, wait_for

KINDS = ("image", "gzip", "encrypt")
OFFLOADS = ("workers", "libuv", "none", "inline")
ROUTES = (("GET", "/lab"), ("PUT", "/lab/offload?kind=none"), ("PUT", "/lab/load?kind=gzip"), ("DELETE", "/lab/load"))

pytestmark = pytest.mark.once  # it has all offloads itself


@pytest.fixture
def lab(share):
    server = share("--lab")
    yield server
    assert ask(server, "DELETE", "/lab/load")["load"] is None
    assert ask(server, "PUT", "/lab/offload?kind=workers")["offload"] == "workers"


def ask(server, method, target, fields=()):
    response = server.request(method, target, fields)
    assert response.status == 200, response.body
    assert response["Content-Type"] == "application/json" and response["Cache-Control"] == "no-store"
    return response.json()


def assert_problem(response, status, name):
    assert (response.status, response.json()["type"]) == (status, f"urn:millrace:problem:{name}")


def ended(server):
    """The load, once it is over and its jobs are back."""

    def load_that_is_over():
        load = ask(server, "GET", "/lab")["load"]
        is_over = load["left"] == 0 and load["in_flight"] == 0
        is_dealt = load["submitted"] + load["refused"] == round(load["rate"] * load["seconds"])
        return load if is_over and is_dealt else None

    return wait_for(load_that_is_over, "the end of the load")


# ---- the document


def test_it_says_how_it_stands(lab):
    before = ask(lab, "GET", "/lab")
    assert before == {"offloads": list(OFFLOADS), "offload": "workers", "offload_left": None, "kinds": list(KINDS), "load": None}
    switched = ask(lab, "PUT", "/lab/offload?kind=none&seconds=60")
    assert switched["offload"] == "none" and 0 < switched["offload_left"] <= 60
    loaded = ask(lab, "PUT", "/lab/load?kind=encrypt&rate=7&seconds=30")
    assert loaded["offload"] == "none" and loaded["load"].keys() == {
        "kind", "rate", "seconds", "left", "submitted", "done", "refused", "expired", "in_flight", "run_mean"
    }  # fmt: skip
    assert (loaded["load"]["kind"], loaded["load"]["rate"], loaded["load"]["seconds"]) == ("encrypt", 7, 30)
    assert 0 < loaded["load"]["left"] <= 30
    assert ask(lab, "DELETE", "/lab/load")["load"] is None


def test_what_is_not_said_has_a_value(lab):
    assert 59 < ask(lab, "PUT", "/lab/offload?kind=libuv")["offload_left"] <= 60
    load = ask(lab, "PUT", "/lab/load?kind=gzip")["load"]
    assert (load["rate"], load["seconds"]) == (20, 20)


@pytest.mark.parametrize(
    "target",
    [
        *("/lab/offload", "/lab/offload?kind=threads", "/lab/offload?kind=", "/lab/offload?kind=none&seconds=60.5"),
        *("/lab/offload?kind=none&seconds=0", "/lab/offload?kind=none&kind=none", "/lab/offload?kind=none&rate=1"),
        *("/lab/load", "/lab/load?kind=video", "/lab/load?kind=gzip&rate=1001", "/lab/load?kind=gzip&rate=0"),
        *("/lab/load?kind=gzip&rate=1.5", "/lab/load?kind=gzip&seconds=61", "/lab/load?kind=gzip&seconds=x", "/lab/load?kind=gzip&x=1"),
    ],
)
def test_a_parameter_that_is_wrong_changes_nothing(lab, target):
    assert_problem(lab.request("PUT", target), 400, "bad-parameter")
    standing = ask(lab, "GET", "/lab")
    assert standing["offload"] == "workers" and standing["load"] is None


def test_a_query_is_for_those_that_have_parameters(lab):
    assert_problem(lab.get("/lab?kind=none"), 400, "bad-parameter")
    assert_problem(lab.request("DELETE", "/lab/load?kind=gzip"), 400, "bad-parameter")
    assert lab.request("POST", "/lab/load?kind=gzip").status == 405


# ---- the load


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", OFFLOADS)
def test_each_kind_of_job_runs_under_each_offload_and_the_counts_add_up(lab, kind, where):
    before = lab.metrics()
    ask(lab, "PUT", f"/lab/offload?kind={where}")
    ask(lab, "PUT", f"/lab/load?kind={kind}&rate=40&seconds=0.5")
    load = ended(lab)
    assert load["done"] > 0 and load["run_mean"] > 0
    assert load["done"] + load["expired"] == load["submitted"]
    after = lab.metrics()

    def grown(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert grown("millrace_jobs_total", outcome="done") == load["done"]
    assert grown("millrace_jobs_total", outcome="refused") == load["refused"]
    assert grown("millrace_jobs_total", outcome="failed") == 0
    assert grown("millrace_job_run_seconds_count", stage=kind) == load["done"]
    assert grown("millrace_queue_wait_seconds_count") == load["done"]
    assert after.sum("millrace_queue_depth") == after.sum("millrace_workers_busy") == 0


def test_all_loops_share_the_rate(start):
    server = start("--lab", "--loops=3", "--workers=2")
    ask(server, "PUT", "/lab/load?kind=encrypt&rate=100&seconds=1")
    load = ended(server)
    assert load["submitted"] + load["refused"] == 100
    assert ask(server, "PUT", "/lab/offload?kind=inline")["offload"] == "inline"
    ask(server, "PUT", "/lab/load?kind=encrypt&rate=100&seconds=1")
    assert ended(server)["done"] > 0


def test_a_load_is_replaced_and_its_jobs_come_back(lab):
    ask(lab, "PUT", "/lab/load?kind=image&rate=1000&seconds=60")
    wait_for(lambda: ask(lab, "GET", "/lab")["load"]["submitted"] > 0, "a job of the first")
    load = ask(lab, "PUT", "/lab/load?kind=encrypt&rate=1&seconds=60")["load"]
    assert (load["kind"], load["submitted"], load["done"]) == ("encrypt", 0, 0)
    ask(lab, "DELETE", "/lab/load")
    wait_for(lambda: lab.metric("millrace_memory_budget_used_bytes") == 0, "the memory of the jobs")


def test_a_full_queue_refuses_and_the_server_goes_on(start):
    server = start("--lab", "--workers=1", "--queue-depth=1", "--loops=1")
    ask(server, "PUT", "/lab/load?kind=image&rate=1000&seconds=0.2")
    load = ended(server)
    assert load["refused"] > 0 and load["submitted"] + load["refused"] == 200
    assert server.metric("millrace_jobs_total", outcome="refused") == load["refused"]
    assert server.post("/pipe/image?w=30", photo()).status == 200


def test_memory_is_of_the_budget(start):
    """Which has room for a few jobs alone."""
    server = start("--lab", "--workers=1", "--loops=1", "--memory-budget=4MiB", "--body-memory=1MiB")
    ask(server, "PUT", "/lab/load?kind=gzip&rate=1000&seconds=0.2")
    load = ended(server)
    assert load["done"] > 0 and load["refused"] > 0
    assert server.metric("millrace_memory_budget_used_bytes") == 0


def test_a_drain_ends_the_load(start):
    server = start("--lab", "--drain-timeout=10m", "--workers=2", "--loops=2")
    ask(server, "PUT", "/lab/load?kind=image&rate=500&seconds=60")
    wait_for(lambda: ask(server, "GET", "/lab")["load"]["submitted"] > 0, "a job")
    assert server.terminate() == 0
    server.drained = True


# ---- the switch


def test_it_goes_back_by_itself(lab):
    ask(lab, "PUT", "/lab/offload?kind=inline&seconds=0.2")
    standing = wait_for(lambda: (now := ask(lab, "GET", "/lab"))["offload"] == "workers" and now, "workers again")
    assert standing["offload_left"] is None


def done_and_blocked(server, where):
    """Of a load that ran there: its jobs, and iterations of the loop that they held. In an iteration no socket is looked at twice."""
    ask(server, "PUT", f"/lab/offload?kind={where}")
    blocked = server.metric("millrace_loop_blocked_total", label="job")
    ask(server, "PUT", "/lab/load?kind=image&rate=400&seconds=0.1")
    return ended(server)["done"], server.metric("millrace_loop_blocked_total", label="job") - blocked


def test_inline_looks_at_no_socket_while_jobs_are_ready(start):
    """Counted, not timed: `none` holds the loop once for each job, `inline` once for all that are ready together."""
    server = start("--lab", "--loops=1", "--workers=2", "--lag-warn=1ms", "--log-level=error", "--memory-budget=8GiB", *SLOWLY)
    done, blocked = done_and_blocked(server, "none")
    assert done == 40 and blocked > 0.8 * done
    done, blocked = done_and_blocked(server, "inline")
    assert done == 40 and 0 < blocked < done / 4
    assert done_and_blocked(server, "workers") == (40, 0)


def test_other_jobs_stay_where_they_are(lab):
    before = lab.metric("millrace_loop_blocked_total", label="job")
    ask(lab, "PUT", "/lab/offload?kind=inline")
    for _ in range(3):
        assert lab.post("/pipe/image?w=30", photo()).status == 200
    assert lab.metric("millrace_loop_blocked_total", label="job") == before


# ---- who may


def test_without_the_option_there_is_none(server):
    for method, target in ROUTES:
        assert_problem(server.request(method, target), 404, "no-lab")


def test_only_clients_of_this_machine_may(start):
    server = start("--lab", "--open", "--trust-proxy=127.0.0.1")
    for method, target in ROUTES:
        assert_problem(server.request(method, target, {"X-Forwarded-For": "192.0.2.7"}), 403, "not-local")
        assert_problem(server.request(method, target, {"Forwarded": "for=192.0.2.7"}), 403, "not-local")
    for local in ("127.0.0.1", "192.0.2.7, ::1", "192.0.2.7, 127.9.8.7"):  # read from the right, up to one that is not trusted
        assert ask(server, "GET", "/lab", {"X-Forwarded-For": local})["load"] is None
    assert ask(server, "GET", "/lab")["load"] is None


def test_what_a_proxy_says_that_is_not_trusted_is_no_proof(lab):
    for fields in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        assert_problem(lab.get("/lab", fields), 403, "not-local")


def test_with_keys_the_right_admin_is_needed(start, tmp_path):
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text(
        "".join(
            f"{name} sha256:{hashlib.sha256(name.encode()).hexdigest()} {rights}\n"
            for name, rights in (("operator", "admin"), ("other", "pipe,upload,read,list,edit,delete,metrics"))
        )
    )
    server = start("--lab", f"--api-keys={keys}", "--trust-proxy=127.0.0.1", key="other")
    for method, target in ROUTES:
        assert_problem(server.request(method, target), 401, "unauthorized")
        assert_problem(server.request(method, target, {"Authorization": "Bearer other"}), 403, "forbidden")
        admin = {"Authorization": "Bearer operator", "X-Forwarded-For": "192.0.2.7"}
        assert server.request(method, target, admin).status == 200


def test_several_processes_have_none():
    run = subprocess.run([BINARY, "--lab", "--processes=2", "--check-config"], capture_output=True, text=True, env=environment())
    assert run.returncode == 2 and "--lab" in run.stderr
