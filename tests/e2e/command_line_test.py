"""What the program says to a person at a prompt: commands, help, mistakes, exit codes."""

import os
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.environ["VOLUME_UPLOADER"]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}


def call(*words, env=None):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, env={**ENVIRONMENT, **(env or {})})


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


overview = call("--help")
check(overview.returncode == 0 and overview.stderr == "", "--help")
check(call("help").stdout == overview.stdout, "help is --help")
check(call("-h").stdout == overview.stdout, "-h is --help")

version = call("--version")
check(version.returncode == 0 and version.stdout.startswith("volume-uploader "), "--version")
check(call("version").stdout == version.stdout, "version is --version")

commands = [line.split()[0] for line in overview.stdout.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
check({"inspect", "version", "help"} <= set(commands), "the commands are listed")
for name in commands:
    direct = call(name, "--help")
    check(direct.returncode == 0 and direct.stdout.startswith(f"Usage: volume-uploader {name}"), f"{name} --help")
    if name != "help":
        check(call("help", name).stdout == direct.stdout, f"help {name}")
    wrong = call(name, "--no-such-option")
    check(wrong.returncode == 2 and "no-such-option" in wrong.stderr, f"{name} --no-such-option")

none = call()
check(none.returncode == 2 and "a command is missing" in none.stderr, "no command")
near = call("inspekt")
check(near.returncode == 2 and "did you mean inspect?" in near.stderr, "a command that is near")
far = call("qqqqqqqq")
check(far.returncode == 2 and "did you mean" not in far.stderr, "a command that is far")
check(call("help", "inspekt").returncode == 2, "help about nothing")
check("--state-dir" in call("help", "settings").stdout, "help settings")

# The lab is told the command in a word of its own: a script, like a program run by an emulator, never sees argv[0].
with tempfile.TemporaryDirectory() as directory:
    shutil.copy(os.path.realpath(PROGRAM), directory + "/volume-uploader")
    with open(directory + "/volume-uploader-lab", "w", encoding="ascii") as script:
        script.write('#!/bin/sh\necho "lab $*"\n')
    os.chmod(directory + "/volume-uploader-lab", 0o755)
    beside = subprocess.run([directory + "/volume-uploader", "demo", "--rate", "7"], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    check((beside.returncode, beside.stdout) == (0, "lab demo --rate 7\n"), f"what the lab is told: {beside.stdout}{beside.stderr}")

full = subprocess.run(f"'{PROGRAM}' help settings > /dev/full", shell=True, env={**ENVIRONMENT, "PATH": os.environ["PATH"]})
check(full.returncode == 1, "an output that cannot be written is not a success")

if "run" in commands:
    bad = call("run", "--commit-ms=0", env={"DATABRICKS_ACCESS_TOKEN": "dapi-s3cr3t", "KELVIN_STREAM_PORT": "x"})
    check(bad.returncode == 2, "bad settings end with 2")
    for part in ("--commit-ms = 0:", "KELVIN_STREAM_PORT = x:", "DATABRICKS_SERVER_HOSTNAME: not set", "DATABRICKS_UC_VOLUME: not set"):
        check(part in bad.stderr, f"all mistakes at once: {part}")
    check("s3cr3t" not in bad.stderr + bad.stdout, "no secret is shown")
