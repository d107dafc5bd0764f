"""deploy/monitoring names only metrics that exist; promtool agrees with rules and metrics where it is installed."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

program = os.environ["VOLUME_UPLOADER"]
folder = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "monitoring"

doc = subprocess.run([program, "help", "--metrics-md"], check=True, capture_output=True, text=True).stdout
known = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", doc, re.M))
if len(known) < 40:
    sys.exit("docs/metrics.md lists next to nothing")
json.loads((folder / "grafana.json").read_text())
for name in ("alerts.yml", "alerts_test.yml", "grafana.json"):
    used = set(re.findall(r"volume_uploader_(\w+)", (folder / name).read_text()))
    for metric in sorted(used):
        base = re.sub(r"_(bucket|sum|count)$", "", metric)
        if metric not in known and known.get(base) != "histogram":
            sys.exit(f"{name}: there is no metric volume_uploader_{metric}")
    if len(used) < 5:
        sys.exit(f"{name} uses next to no metric")
if not shutil.which("promtool"):
    print("promtool is not installed: rules not tried")
    sys.exit(0)
for command in (["check", "rules", folder / "alerts.yml"], ["test", "rules", folder / "alerts_test.yml"]):
    subprocess.run(["promtool", *command], check=True, timeout=60)
