"""Prometheus' own tool agrees: the metrics of a run that has met everything odd, the alert rules and their tests; and it can
read every query of the dashboard."""
import json
import os
import shutil
import subprocess
import sys

PROMTOOL = shutil.which("promtool")
if not PROMTOOL:
    print("not there: promtool")
    sys.exit(77)

import plant

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "../../deploy/monitoring")
# The dashboard fills these in.
VARIABLES = {"$instance": ".*", "$__rate_interval": "1m"}


def promtool(*arguments, text=None):
    out = subprocess.run([PROMTOOL, *arguments], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         check=False, timeout=60)
    if out.returncode != 0:
        plant.fail(f"promtool {' '.join(arguments)}: {out.returncode}\n{out.stdout}")
    return out.stdout


def it_finds_faults(_place):
    """Else what follows would mean nothing."""
    for text in ("volume_uploader_lines 1\nvolume_uploader_lines x\n", "# TYPE lines counter\nlines 1\n"):
        if subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False,
                          timeout=60).returncode == 0:
            plant.fail(f"promtool finds nothing wrong with {text!r}")


def rules_and_queries(place):
    for command in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        promtool(*command[:2], os.path.join(FOLDER, command[2]))
    with open(os.path.join(FOLDER, "grafana.json"), encoding="utf-8") as file:
        queries = [target["expr"] for panel in json.load(file)["panels"] for target in panel.get("targets", [])]
    for variable, value in VARIABLES.items():
        queries = [query.replace(variable, value) for query in queries]
    path = os.path.join(place.directory, "dashboard.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"dashboard:{i}", "expr": query} for i, query in enumerate(queries)]}]}, file)
    if f"{len(queries)} rules found" not in promtool("check", "rules", path):
        plant.fail("not every query was looked at")
    print(f"{len(queries)} queries of the dashboard")


def metrics(_place):
    """That test gives what it scraped to promtool, where there is one."""
    subprocess.run([sys.executable, "-B", os.path.join(HERE, "../e2e/status_test.py"), "sums_are_exact"], check=True)


plant.main(it_finds_faults, rules_and_queries, metrics)
