"""The manifests of deploy/kubernetes: valid, at one with each other and with the options of the server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from server import BINARY, ROOT, environment, starting

MANIFESTS = ROOT / "deploy/kubernetes"
FORMS = ("stateless", "store")
NODE_MODULES = ROOT / ".cache/npm/node_modules"


def built(form):
    """What kustomize makes of a form: its resources, with the images' tags."""
    directory = MANIFESTS / form
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    assert set(kustomization) <= {"apiVersion", "kind", "resources", "images"}, "what else it may say is not done here"
    objects = []
    for name in kustomization["resources"]:
        path = directory / name
        objects += built(path.resolve().relative_to(MANIFESTS)) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for image in kustomization.get("images", []):
        for container in (each for found in objects if found["kind"] == "Deployment" for each in containers(found)):
            if container["image"] == image["name"]:
                container["image"] += f":{image['newTag']}"
    return objects


def containers(deployment):
    return deployment["spec"]["template"]["spec"]["containers"]


def one(form, kind):
    found = [each for each in built(form) if each["kind"] == kind]
    assert len(found) == 1, f"{form} has {len(found)} of {kind}"
    return found[0]


def complaints(objects):
    if shutil.which("node") is None or not (NODE_MODULES / "kubernetes-models").exists():
        pytest.skip("needs node and the npm packages of script/bootstrap --test")
    command = ["node", Path(__file__).with_name("kubernetes.mjs"), NODE_MODULES.parent]
    result = subprocess.run(command, input=json.dumps(objects), capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


# ---- valid


def test_all_objects_are_what_kubernetes_knows():
    objects = [each for form in (*FORMS, "monitoring") for each in built(form)]
    assert {each["kind"] for each in objects} >= {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget",
                                                  "NetworkPolicy", "PersistentVolumeClaim", "ServiceMonitor"}  # fmt: skip
    assert complaints(objects) == [[] for _ in objects]


def test_the_command_that_hands_the_alerts_to_the_operator_makes_a_valid_object():
    command = re.search(r"(?s)```sh\n(\{ printf .*?)```", (ROOT / "docs/deploy.md").read_text())[1]
    assert command.count("kubectl apply -n millrace -f -") == 1
    made = subprocess.run(["bash", "-c", command.replace("kubectl apply -n millrace -f -", "cat")], cwd=ROOT, capture_output=True, text=True, check=True)
    rule = yaml.safe_load(made.stdout)
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    assert complaints([rule]) == [[]]


def test_the_check_finds_what_is_wrong():
    deployment = one("stateless", "Deployment")
    wrong = [json.loads(json.dumps(deployment)) for _ in range(3)]
    del wrong[0]["spec"]["selector"]
    containers(wrong[1])[0]["readinesProbe"] = {}
    containers(wrong[2])[0]["ports"][0]["containerPort"] = "http"
    found = complaints([*wrong, {"apiVersion": "apps/v1", "kind": "Deploiment", "metadata": {}}])
    assert all(len(each) == 1 for each in found), found
    assert "selector" in found[0][0] and "readinesProbe is unknown" in found[1][0] and "containerPort" in found[2][0]


@pytest.mark.parametrize("form", (*FORMS, "monitoring"))
def test_kustomize_makes_the_same_of_them(form):
    kubectl = shutil.which("kubectl")
    version = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True).stdout if kubectl else ""
    if not re.search(r"Kustomize Version: v[45]", version):
        pytest.skip("no kubectl with a kustomize of today")
    said = subprocess.run([kubectl, "kustomize", MANIFESTS / form], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    key = lambda each: each["kind"]  # noqa: E731
    assert sorted(yaml.safe_load_all(said.stdout), key=key) == sorted(built(form), key=key)


# ---- at one with each other


@pytest.mark.parametrize("form", FORMS)
def test_selectors_find_the_pods_and_ports_have_names(form):
    deployment = one(form, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert one(form, "Service")["spec"]["selector"] == labels
    assert one(form, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    ports = {port["name"] for port in containers(deployment)[0]["ports"]}
    assert {port["targetPort"] for port in one(form, "Service")["spec"]["ports"]} == ports
    monitor = one("monitoring", "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"] == one(form, "Service")["metadata"]["labels"]
    assert one(form, "Service")["metadata"]["labels"][monitor["jobLabel"]] == "millrace", "the job of the alerts"
    assert monitor["endpoints"][0]["port"] == one(form, "Service")["spec"]["ports"][0]["name"]


def test_the_stateless_form_grows_and_the_one_with_a_store_does_not():
    stateless, store = ({each["kind"] for each in built(form)} for form in FORMS)
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget"} <= stateless and "PersistentVolumeClaim" not in stateless
    assert "PersistentVolumeClaim" in store and not {"HorizontalPodAutoscaler", "PodDisruptionBudget"} & store
    assert "MILLRACE_DATA" not in options("stateless")
    spec = one("store", "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "replicas" not in one("stateless", "Deployment")["spec"], "it would undo the autoscaler with each apply"
    pod = spec["template"]["spec"]
    mount = next(each for each in containers(one("store", "Deployment"))[0]["volumeMounts"] if each["name"] == "data")
    assert options("store")["MILLRACE_DATA"].startswith(mount["mountPath"] + "/")
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_permitted_that_is_not_needed(form):
    pod = one(form, "Deployment")["spec"]["template"]["spec"]
    container = containers(one(form, "Deployment"))[0]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"] and not pod["enableServiceLinks"]
    assert one(form, "NetworkPolicy")["spec"]["egress"] == []


# ---- at one with the server


def options(form):
    return {each["name"]: each["value"] for each in containers(one(form, "Deployment"))[0]["env"]}


UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def size(text):
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()
    return int(number) * UNITS[unit]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


@pytest.mark.parametrize("form", FORMS)
def test_resources_match_the_budgets_and_the_end_leaves_time_to_drain(form):
    given, pod = options(form), one(form, "Deployment")["spec"]["template"]["spec"]
    resources = containers(one(form, "Deployment"))[0]["resources"]
    assert size(resources["limits"]["memory"]) == 2 * size(given["MILLRACE_MEMORY_BUDGET"])
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert resources["requests"]["cpu"] == given["MILLRACE_WORKERS"] and "cpu" not in resources["limits"]
    room = next(size(each["emptyDir"]["sizeLimit"]) for each in pod["volumes"] if each["name"] == "tmp")
    assert size(given["MILLRACE_DISK_BUDGET"]) < room <= size(resources["requests"]["ephemeral-storage"])
    drain = seconds(given["MILLRACE_DRAIN_TIMEOUT"]) + seconds(given.get("MILLRACE_DRAIN_DELAY", "0s"))
    assert drain < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("form", FORMS)
def test_the_server_takes_its_options_and_answers_its_probes(form, tmp_path):
    """With the variables that Kubernetes itself adds for a service of that name, although enableServiceLinks turns them off."""
    keys = tmp_path / "api-keys"
    said = subprocess.run([BINARY, "api-key", "shop", "--rights", "pipe,metrics"], capture_output=True, text=True, check=True, env=environment())
    keys.write_text(said.stdout)
    keys.chmod(0o440)
    given = options(form) | {"MILLRACE_API_KEYS": str(keys), "MILLRACE_LISTEN": "127.0.0.1:0", "TMPDIR": str(tmp_path)}
    given |= {"MILLRACE_DATA": str(tmp_path / "data")} if "MILLRACE_DATA" in given else {}
    given |= {"MILLRACE_SERVICE_HOST": "10.0.0.1", "MILLRACE_PORT": "tcp://10.0.0.1:80", "MILLRACE_DRAIN_DELAY": "0"}
    checked = subprocess.run([BINARY, "--check-config"], capture_output=True, text=True, env=environment(**given | {"MILLRACE_LISTEN": "*:8080"}))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "ok\n", "")
    container = containers(one(form, "Deployment"))[0]
    with starting("workers") as start:
        server = start("--listen=127.0.0.1:0", env=given, key=said.stderr.strip())
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert server.get(container[name]["httpGet"]["path"]).status == 200
