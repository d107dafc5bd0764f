"""The demo counts every reading and says so in one line."""
import glob
import os
import re
import shutil
import subprocess
import time

from plant import PROGRAM, fail, main, wait_for


def demo_loses_nothing(place):
    out = subprocess.run([PROGRAM, "demo", "--dir", place.directory + "/demo", "--seconds", "3", "--rate", "20000"],
                         capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False, timeout=120)
    last = out.stdout.strip().splitlines()[-1] if out.stdout.strip() else ""
    if out.returncode != 0 or not re.fullmatch(
            r"demo: 60,000 readings sent, 60,000 rows in \d+ files in the volume, 60,000 rows in the table, "
            r"0 lost, 0 twice", last):
        fail(f"exit code {out.returncode}\n{out.stdout}\n{out.stderr}")


def demo_says_no_when_a_file_is_gone_and_another_is_there_twice(place):
    directory = place.directory + "/tampered"
    child = subprocess.Popen([PROGRAM, "demo", "--dir", directory, "--seconds", "4", "--rate", "20000"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             env={"PATH": "/usr/bin:/bin"})
    data = directory + "/workspace/Volumes/main/plant/readings/data"

    def files():
        return sorted(glob.glob(data + "/*.parquet"))

    # The first is then long confirmed: it is not sent again.
    wait_for("two files in the volume", 60, lambda: child.poll() is not None or (
        len(files()) >= 2 and time.time() - os.path.getmtime(files()[0]) > 2))
    first, second = files()[:2]
    shutil.copyfile(second, second.replace(".parquet", "-again.parquet"))
    os.remove(first)
    out, _ = child.communicate(timeout=180)
    last = out.strip().splitlines()[-1]
    if child.returncode != 1 or not re.search(r"in the volume [1-9]\d* lost, [1-9]\d* twice", out) or \
            not last.startswith("demo: "):
        fail(f"exit code {child.returncode}\n{out}")


main(demo_loses_nothing, demo_says_no_when_a_file_is_gone_and_another_is_there_twice)
