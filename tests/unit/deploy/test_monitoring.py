"""What Prometheus is told of the cluster is true: who has metrics is asked, and rules name what is served."""

import re
from pathlib import Path
from typing import Any

import yaml

from dashboard.history.plots import PLOTS

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
RULES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
#: what Prometheus itself makes
OWN = {"up"}
#: functions, keywords and labels of expressions
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_WITHOUT_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without) \([^)]*\)|\b\w+(?=\()')


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def named(expression: str) -> set[str]:
    """Return the metrics that an expression names."""
    plain = re.sub(_WITHOUT_NAMES, " ", re.sub(_WITHOUT_NAMES, " ", expression))
    return {
        word for word in _WORD.findall(plain) if word not in {"by", "sum", "and", "or", "unless", "offset"}
    }


def expressions() -> list[str]:
    """Return those of the rules, and of the page's plots."""
    plots = [plot.over("60s") for view in PLOTS.values() for plot in view.values()]
    return [rule["expr"] for rule in rules()] + plots


def test_rules_and_plots_name_metrics_that_something_serves() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    source = "\n".join(
        path.read_text()
        for folder in ("vaina", "apiserver", "scheduler", "kubelet", "controller")
        for path in (ROOT / folder).rglob("*.py")
        if "_pb2" not in path.name
    )
    for expression in expressions():
        for metric in named(expression) - OWN - recorded:
            name = re.sub(r"_bucket$", "", metric)
            # Counters have no _total where they are made; whose use it is comes before a name that is made once.
            made = name.removesuffix("_total")
            served = any(word in source for word in (name, made, made.removeprefix("node_")))
            assert served, f"{expression}: nothing serves {metric}"


def test_alerts_say_what_is_the_matter_and_how_bad_it_is() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"].endswith(".")


def test_what_has_to_last_is_waited_for() -> None:
    """A window that has begun just now is taken for whole: `min_over_time(x[10m])` holds after one sample."""
    for rule in rules():
        if "alert" in rule:
            assert "_over_time(" not in rule["expr"], rule["alert"]


def test_whoever_has_metrics_is_asked() -> None:
    asked = {
        target
        for job in CONFIG["scrape_configs"]
        for each in job.get("static_configs", ())
        for target in each["targets"]
    }
    found = {
        name
        for job in CONFIG["scrape_configs"]
        for each in job.get("dns_sd_configs", ())
        for name in each["names"]
    }
    for name, service in COMPOSE.items():
        listen = (service.get("environment") or {}).get("VAINA_METRICS_LISTEN")
        if listen is None:
            continue
        port = listen.rpartition(":")[2]
        assert f"{name}:{port}" in asked or name in found, name
    assert found == {"node", "node-containerd"}


def test_everybody_is_asked_with_a_certificate_but_prometheus_itself() -> None:
    for job in CONFIG["scrape_configs"]:
        if job["job_name"] == "prometheus":
            continue
        assert job["scheme"] == "https"
        assert "insecure_skip_verify" not in job["tls_config"]
        assert job["tls_config"]["cert_file"].startswith("/certs/monitoring/")


def test_prometheus_which_is_in_the_clear_listens_where_only_the_page_is_and_is_published_on_loopback() -> (
    None
):
    prometheus = COMPOSE["prometheus"]
    assert prometheus["profiles"] == ["monitoring"]
    assert {name for name, service in COMPOSE.items() if "browser" in service.get("networks", ())} == {
        "prometheus",
        "dashboard",
    }
    assert prometheus["ports"] == ["127.0.0.1:${VAINA_PROMETHEUS_PORT:-9090}:9090"]
    # The engine publishes by the first network: of the names that a container has, in their order.
    assert min(prometheus["networks"]) == "browser"
    assert prometheus["networks"]["browser"] == {"aliases": ["prometheus-on-browser"]}
    script = (ROOT / "deploy" / "images" / "prometheus" / "prometheus.sh").read_text()
    assert '--web.listen-address="$address:9090"' in script
    asked = COMPOSE["dashboard"]["environment"]["VAINA_PROMETHEUS"]
    assert asked == "${VAINA_PROMETHEUS:-http://prometheus-on-browser:9090}"
