"""The kill test with pyarrow as the reader of the oracle: not a line of ours decodes the volume."""
import os
import subprocess
import sys

try:
    import pyarrow.parquet  # noqa: F401
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

E2E = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e")
for name, more in (("lines_test", {}), ("kill_test", {"KILLS": os.environ.get("KILLS", "60")})):
    done = subprocess.run([sys.executable, "-B", os.path.join(E2E, name + ".py")], check=False,
                          env=dict(os.environ, ORACLE="pyarrow", **more))
    if done.returncode != 0:
        sys.exit(f"{name} with pyarrow: exit code {done.returncode}")
