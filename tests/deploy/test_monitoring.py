"""The dashboard and the alerts: every query of theirs is answered by Prometheus, and every alert has its page of the runbook."""

import json
import math
import re
import subprocess

import pytest
import yaml
from monitoring import MONITORING, WINDOW, observed, program, query_metrics
from server import ROOT

DASHBOARD = json.loads((ROOT / "deploy/grafana/millrace.json").read_text())
RULES = [rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
TARGETS = {f"{panel['title']}-{target['refId']}": target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with observed(tmp_path_factory.mktemp("prometheus"), {"namespace": "media", "pod": "millrace-1"}) as started:
        yield started


# ---- the dashboard


def test_it_has_twelve_panels_side_by_side():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places)) == 12
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len({panel["title"] for panel in DASHBOARD["panels"]}) == 12
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in DASHBOARD["panels"])


def as_grafana_asks(expression):
    """With all jobs and instances chosen."""
    for name, value in (("$job", ".*"), ("$instance", ".*"), ("$__rate_interval", WINDOW)):
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("target", TARGETS)
def test_each_query_of_each_panel_is_answered(prometheus, target):
    found = prometheus.query(as_grafana_asks(TARGETS[target]))
    assert any(math.isfinite(value) for _, value in found), (TARGETS[target], found)


def test_the_choices_and_marks_of_the_dashboard_are_answered(prometheus):
    choices = [each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert len(choices) == 2
    for choice in choices:
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", choice.replace("$job", ".*")).groups()
        assert [labels[label] for labels in prometheus.api("series", **{"match[]": series})]
    for mark in DASHBOARD["annotations"]["list"]:
        assert prometheus.query(as_grafana_asks(mark["expr"]))


def test_a_legend_names_labels_that_there_are(prometheus):
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert all(label in labels for labels, _ in prometheus.query(as_grafana_asks(target["expr"]))), target


# ---- the alerts


def test_promtool_finds_the_alerts_well_formed_and_each_fires_when_it_should():
    for command in (["check", "rules", MONITORING / "alerts.yml"], ["test", "rules", ROOT / "tests/deploy/alerts_test.yml"]):
        result = subprocess.run([program("promtool"), *command], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_is_tried_both_quiet_and_firing():
    tried = yaml.safe_load((ROOT / "tests/deploy/alerts_test.yml").read_text())["tests"]
    for rule in RULES:
        counts = [len(case["exp_alerts"]) for test in tried for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        assert set(counts) == {0, 1}, rule["alert"]


def test_each_metric_of_each_alert_is_there(prometheus):
    for rule in RULES:
        for name in query_metrics(rule["expr"]):
            assert prometheus.query(f"count({name})"), (rule["alert"], name)


def test_prometheus_evaluates_them_and_none_fires_on_a_sound_server(prometheus):
    loaded = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in loaded] == [rule["alert"] for rule in RULES]
    assert [(rule["name"], rule.get("lastError")) for rule in loaded if rule["health"] == "err"] == []
    assert [rule["name"] for rule in loaded if rule["state"] == "firing"] == []


# ---- the autoscaler


def test_the_autoscaler_s_metric_is_answered_as_the_adapter_asks_for_it(prometheus):
    scaler = yaml.safe_load((ROOT / "deploy/kubernetes/stateless/hpa.yaml").read_text())
    wanted = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    adapter = yaml.safe_load((ROOT / "deploy/kubernetes/monitoring/prometheus-adapter.yaml").read_text())
    rule = next(each for each in adapter["rules"] if each["name"]["as"] == wanted)
    assert {each["resource"] for each in rule["resources"]["overrides"].values()} == {"namespace", "pod"}
    assert prometheus.api("series", **{"match[]": rule["seriesQuery"]})
    asked = rule["metricsQuery"].replace("<<.Series>>", rule["seriesQuery"].partition("{")[0]).replace("<<.GroupBy>>", "pod")
    found = prometheus.query(asked.replace("<<.LabelMatchers>>", 'namespace="media",pod=~"millrace-1|millrace-2"'))
    assert [labels for labels, _ in found] == [{"pod": "millrace-1"}] and found[0][1] >= 0


# ---- the runbook


def test_each_alert_has_its_section_of_the_runbook_and_names_it():
    sections = re.findall(r"(?m)^### (Millrace\w+)$", RUNBOOK)
    assert sections == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        section = re.search(rf"(?ms)^### {rule['alert']}$(.*?)(?=^##|\Z)", RUNBOOK)[1]
        for part in ("**Means**", "**Look at**", "**Do**"):
            assert part in section, (rule["alert"], part)


def test_what_panels_say_of_the_runbook_is_there():
    for panel in DASHBOARD["panels"]:
        for name in re.findall(r"\bMillrace[A-Z]\w+", panel["description"]):
            assert f"### {name}\n" in RUNBOOK, (panel["title"], name)


def test_the_metrics_and_options_that_the_runbook_names_are_there(prometheus):
    for name in set(re.findall(r"`((?:millrace|process)_\w+)", RUNBOOK)):
        assert prometheus.query(f"count({name})"), name
    readme = (ROOT / "README.md").read_text()
    for option in set(re.findall(r"`--([a-z-]+)", RUNBOOK)):
        assert f"`--{option}" in readme, option
