"""docs/settings.md is what `volume-uploader help --settings-md` prints now."""

import difflib
import os
import pathlib
import subprocess
import sys

program = os.environ["VOLUME_UPLOADER"]
path = pathlib.Path(__file__).resolve().parents[2] / "docs" / "settings.md"

want = subprocess.run([program, "help", "--settings-md"], check=True, capture_output=True, text=True).stdout
have = path.read_text() if path.exists() else ""
if len(want) < 1000:
    sys.exit("the program printed next to nothing")
if want != have:
    sys.stdout.writelines(
        difflib.unified_diff(have.splitlines(True), want.splitlines(True), "docs/settings.md", "program")
    )
    sys.exit("docs/settings.md is stale: volume-uploader help --settings-md > docs/settings.md")
