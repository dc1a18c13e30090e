"""`millrace-bench lab` as a program: from nothing to the report. What the report says is tested by tests/unit/bench and tests/browser."""

import json
import subprocess

import pytest
from server import BENCH, environment

pytestmark = [
    pytest.mark.skipif(not BENCH.exists(), reason="no millrace-bench beside the server"),
    pytest.mark.unsanitized("it measures"),
]


def lab(*words, **variables):
    return subprocess.run([BENCH, "lab", *map(str, words)], capture_output=True, text=True, timeout=120, env=environment(**variables))


@pytest.mark.slow
def test_a_short_run_ends_with_the_report(tmp_path):
    """Options in the environment are for other servers: they are neither taken nor refused by the ones that are measured."""
    run = lab("--rounds=1", "--heavy=1s", "--models=workers", "--models=none", f"--out={tmp_path}",
              MILLRACE_BUILD="nonsense", MILLRACE_MAX_BODY="1")  # fmt: skip
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [model["name"] for model in report["models"]] == ["none", "workers"]
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "light-workers.hgrm").exists()
    for name in ("none", "workers"):
        assert name in run.stdout
    commands = [model["command"] for model in report["models"]]
    assert commands == ["millrace --offload=none --loops=1", "millrace --offload=workers --loops=1"]


def test_a_server_that_is_not_there_is_a_clear_error(tmp_path):
    run = lab("--rounds=1", "--heavy=1s", f"--server={tmp_path}/nothing", f"--out={tmp_path}")
    assert run.returncode != 0
    assert "nothing" in run.stderr


@pytest.mark.slow
def test_a_stranger_is_asked_at_its_own_paths_and_must_do_the_work(start, tmp_path):
    """The strangers are one server of ours: at addresses that are not the lab's own, without one kind, and with others' work."""
    url = f"http://127.0.0.1:{start('--workers=2').port}"
    right = f"--peer=right={url} light=/healthz image=/pipe/image?w=300&fm=png gzip=/pipe/gzip?level=1"
    narrow = f"--peer=narrow={url} light=/healthz image=/pipe/image?w=200"
    other = f"--peer=other={url} light=/healthz gzip=/pipe/zstd"
    gone = f"--peer=gone={url} light=/nothing-here"
    run = lab("--rounds=1", "--heavy=1s", "--models=workers", right, narrow, other, gone, f"--out={tmp_path}")
    assert run.returncode == 0, run.stderr
    models = {model["name"]: model for model in json.loads((tmp_path / "report.json").read_text())["models"]}
    assert models["right"]["rounds"][0]["measured"] and models["right"]["skips"] == ["encrypt"]
    figures = models["right"]["figures"]
    assert figures["image_rate"]["value"] > 0 and figures["gzip_rate"]["value"] > 0
    assert f"{url} light=/healthz image=/pipe/image?w=300&fm=png" in models["right"]["command"]
    assert models["gone"]["skips"] == ["image", "gzip", "encrypt"]
    for name, words in {"narrow": "200 pixels wide", "other": "gzip: POST /pipe/zstd", "gone": "light: GET /nothing-here was answered with 404"}.items():
        assert not models[name]["rounds"][0]["measured"] and words in models[name]["rounds"][0]["failure"]


@pytest.mark.slow
def test_a_millrace_needs_no_paths(start, tmp_path):
    peer = f"--peer=other=http://127.0.0.1:{start('--workers=2').port}/"
    run = lab("--rounds=1", "--heavy=1s", "--models=workers", peer, f"--out={tmp_path}")
    assert run.returncode == 0, run.stderr
    other = json.loads((tmp_path / "report.json").read_text())["models"][1]
    assert (other["name"], other["skips"], other["rounds"][0]["measured"]) == ("other", [], True)
    assert other["figures"]["encrypt_rate"]["value"] > 0


@pytest.mark.parametrize(
    "peers, words",
    [
        (["http://127.0.0.1:1"], "NAME=URL"),
        (["a=http://127.0.0.1:1 image=/resize"], "light=PATH is missing"),
        (["a=http://127.0.0.1:1 light=/ video=/v"], "video=/v"),
        (["workers=http://127.0.0.1:1"], "another model"),
        (["a=http://127.0.0.1:1 light=/" + " " * 1600], "more than 1535 letters"),
        (["a=http://127.0.0.1:1", "a=http://127.0.0.1:2"], "another model"),
    ],
)
def test_a_peer_that_is_written_wrongly_is_refused_before_anything_runs(tmp_path, peers, words):
    run = lab(*(f"--peer={peer}" for peer in peers), f"--out={tmp_path}/none")
    assert run.returncode == 2 and words in run.stderr
    assert not (tmp_path / "none").exists()
