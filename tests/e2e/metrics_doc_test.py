"""docs/metrics.md is what `volume-uploader help --metrics-md` prints now."""

import difflib
import os
import pathlib
import subprocess
import sys

program = os.environ["VOLUME_UPLOADER"]
path = pathlib.Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

want = subprocess.run([program, "help", "--metrics-md"], check=True, capture_output=True, text=True).stdout
have = path.read_text() if path.exists() else ""
if len(want) < 1000:
    sys.exit("the program printed next to nothing")
if want != have:
    sys.stdout.writelines(
        difflib.unified_diff(have.splitlines(True), want.splitlines(True), "docs/metrics.md", "program")
    )
    sys.exit("docs/metrics.md is stale: volume-uploader help --metrics-md > docs/metrics.md")
