"""The manual pages, the configuration file and the completion name every option: they are made from --help and the README."""

import re
import subprocess

import pytest
from server import BENCH, BINARY, ROOT, environment

COMPLETION = ROOT / "deploy/completion/bash/millrace"


def help_of(*command):
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, env=environment()).stdout


LINES = re.findall(r"(?m)^  ((?:--[a-z-]+(?: \S+)?  +)+)", help_of(BINARY))  # of --help, before what it says of them
OPTIONS = [name for line in LINES for name in re.findall(r"--([a-z-]+)", line)]
COMMON = ["config", "check-config", "help", "version"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    out = tmp_path_factory.mktemp("pages")
    subprocess.run([ROOT / "deploy/write-pages", BINARY.parent, out, "2026-11-30"], check=True, env=environment())
    return out


def check_config(path):
    return subprocess.run([BINARY, f"--config={path}", "--check-config"], capture_output=True, text=True, env=environment())


def test_the_configuration_file_has_every_option_and_sets_the_directory_alone(pages):
    text = (pages / "millrace.conf").read_text()
    assert re.findall(r"(?m)^#?([a-z-]+) = ", text) == [name for name in OPTIONS if name not in COMMON]
    assert re.findall(r"(?m)^[^#\n].*", text) == ["data = /var/lib/millrace"]
    result = check_config(pages / "millrace.conf")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


def test_every_default_in_it_can_be_taken_out_of_the_comment(pages):
    defaults = dict(re.findall(r"\s--([a-z-]+) .*\[([^][]+)\]$", help_of(BINARY).replace("\n", "\n "), re.M))
    text = (pages / "millrace.conf").read_text()
    free, count = re.subn(rf"(?m)^#((?:{'|'.join(defaults)}) = .*)", r"\1", text)
    assert count == len(defaults) > 20
    path = pages / "free.conf"
    path.write_text(free)
    result = check_config(path)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_wrong_line_of_it_is_named(pages):
    path = pages / "wrong.conf"
    path.write_text((pages / "millrace.conf").read_text() + "workers = many\n")
    result = check_config(path)
    assert result.returncode == 2
    assert "--workers" in result.stderr and f"{path}:{len(path.read_text().splitlines())}" in result.stderr


@pytest.mark.parametrize("name", ["millrace.1", "millrace.conf.5"])
def test_the_manual_pages_have_every_option(pages, name):
    text = (pages / name).read_text().replace("\\-", "-")
    assert [option for option in OPTIONS if f"\\fB--{option}\\fR" not in text and f"\\fB{option}\\fR =" not in text] == (
        COMMON if name == "millrace.conf.5" else []
    )


def test_the_manual_pages_have_every_command(pages):
    text = (pages / "millrace.1").read_text().replace("\\-", "-")
    for name in re.search(r"millrace (pipe, [^(]*)", help_of(BINARY))[1].strip().split(", "):
        assert f"\n.SS millrace {name}" in text
    bench = (pages / "millrace-bench.1").read_text().replace("\\-", "-")
    for name in re.findall(r"(?m)^  ([a-z-]+) ", help_of(BENCH)):
        assert f"\n.SS millrace-bench {name}" in bench


def completed(*words):
    script = 'source "$1"; COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2)); _millrace; printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", script, "bash", COMPLETION, *words], capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_the_completion_has_every_option_and_command():
    assert set(completed(BINARY, "--")) >= {f"--{name}" for name in OPTIONS}
    assert completed(BINARY, "--max-b") == ["--max-body"]
    assert completed(BINARY, "--data-") == []  # of curl, in an example
    assert completed(BINARY, "k") == ["keygen"]
    assert set(completed(BINARY, "")) >= {"pipe", "keygen", "api-key", "signing-key", "sign", "store", "health"}
    assert "--recipient" in completed(BINARY, "pipe", "--re")
    assert completed(BINARY, "sign", "--exp") == ["--expires"]
    assert completed(BINARY, "health", "--re") == ["--ready"]
    assert set(completed(BENCH, "")) == {"load", "lab", "serve-threads"}
    assert "--warmup" in completed(BENCH, "load", "--w")
