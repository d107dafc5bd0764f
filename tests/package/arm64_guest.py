"""What runs inside the machine of arm64_kernel_test.py, as process 1: the tests that need a real arm64 kernel.

Every line for the machine outside begins with "arm64: "; the last one is the verdict. Then the power goes off.
"""
import collections
import ctypes
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import traceback
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TESTS, "e2e"))

import plant  # noqa: E402 pylint: disable=wrong-import-position
from plant import end_well, fail, log_of, wait_for  # noqa: E402 pylint: disable=wrong-import-position

PROGRAM = "/usr/bin/volume-uploader"
USER = "61234"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/var/tmp", "LANG": "C.UTF-8", "TMPDIR": "/var/tmp",
               "VOLUME_UPLOADER": PROGRAM, "PATIENCE": "10"}
READINGS = 20000
# Asked for by the C library, which takes an older call when told that there is no such call.
NOT_THERE = {"clone3 ENOSYS", "openat2 ENOSYS"}


def say(text):
    for line in text.splitlines():
        print(f"arm64: {line}", flush=True)


# --- the machine ---

def facts():
    """The kernel under test, and that it has what the tests are about."""
    about = os.uname()
    with open("/sys/kernel/security/lsm", encoding="ascii") as file:
        modules = file.read().strip()
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = file.read().split()[0]
    say(f"kernel {about.release} {about.machine}, {about.version}; {os.cpu_count()} processors; booted in {uptime} s of its own time")
    say(f"security modules: {modules}")
    return about.machine == "aarch64" and "landlock" in modules.split(",")


def part(name, words, user=None, may_skip=()):
    """One test, as root or as a user without rights. What is skipped must be known to be."""
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] if user else []
    started = time.monotonic()
    try:
        out = subprocess.run(drop + words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.STDOUT, errors="replace", check=False, timeout=1500, cwd="/var/tmp")
        code, text = out.returncode, out.stdout
    except subprocess.TimeoutExpired as expired:
        code, text = "not done in time", (expired.stdout or b"").decode(errors="replace")
    skipped = {found for pair in re.findall(r"^\[  SKIPPED \] (\w+)$|^skipped (\w+)", text, re.M) for found in pair if found}
    well = code == 0 and skipped <= set(may_skip)
    say("\n".join("  " + line for line in text.splitlines() if not well or re.match(r"ok |skipped |sandbox|reading|calls|\d+ rows", line)))
    say(f"{'ok' if well else 'FAIL'} {name} as {'user' if user else 'root'} ({time.monotonic() - started:.0f} s)"
        f"{'' if well else f': exit code {code}, skipped {sorted(skipped)}'}")
    return well


def all_parts():
    unit = os.path.join(TESTS, "unit")
    own = [sys.executable, "-B", os.path.abspath(__file__)]
    sandbox = [sys.executable, "-B", os.path.join(TESTS, "e2e/sandbox_test.py")]
    for_root = ("root_keeps_what_the_owner_of_the_state_makes_needed", "root_keeps_what_the_owner_of_a_secret_makes_needed")
    well = [facts()]
    for user in (None, USER):
        well.append(part("base_sandbox_test", [os.path.join(unit, "base_sandbox_test")], user))
        well.append(part("commands_confine_test", [os.path.join(unit, "commands_confine_test")], user, for_root if user else ()))
        well.append(part("a plant", own + ["a_plant"], user))
        well.append(part("sandbox_test", sandbox, user, ("names_come_from_a_name_server",) if user else ()))
        # Looks into the memory that held the environment, which qemu-user hides.
        well.append(part("base_secret_test", [os.path.join(unit, "base_secret_test")], user))
    well.append(part("refused calls", own + ["no_call_it_needs_is_refused"], USER))
    return all(well)


def power_off():
    os.sync()
    ctypes.CDLL(None).reboot(0x4321FEDC)  # RB_POWER_OFF


def machine():
    well = False
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env=ENVIRONMENT)
        well = all_parts()
    except BaseException:  # pylint: disable=broad-exception-caught
        say(traceback.format_exc())
    finally:
        say("PASS" if well else "FAIL")
        power_off()


# --- the tests of our own, each in a process of its own ---

def plant_between(place, port, program=PROGRAM):
    """A run between a workspace and a stream of so many readings, both by the program itself."""
    stream = plant.free_port()
    place.emulate()
    simulator = place.start(["simulate", "--listen", f"127.0.0.1:{stream}", "--rate", "2000", "--count", str(READINGS),
                             "--upload-interval", "1", "--quiet"], place.env)
    wait_for("the publisher", 60, lambda: "Publisher started" in log_of(simulator))
    plant.PROGRAM = program
    # On ext4: nothing needs to be allowed.
    child = place.run(stream, VOLUME_UPLOADER_ALLOW_VOLATILE_STATE=None, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}")
    plant.PROGRAM = PROGRAM
    return child


def answer(port, path):
    """In the end. The status page may use a small share of a processor, and emulated ones are slow: it may keep us waiting, and is
    not asked without a pause."""

    def ask():
        try:
            time.sleep(0.5)
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20).read().decode()
        except OSError:
            return None

    return wait_for(f"an answer to {path}", 60, ask)


def all_delivered(child):
    """As `run` itself says it."""
    wait_for("all readings to be delivered", 120, lambda: READINGS == sum(
        int(count) for count in re.findall(r"^info delivered file=.* readings=(\d+)", log_of(child), re.M)))


def rows_by_inspect(place):
    """What the volume holds, as `inspect` counts it."""
    return sum(json.loads(subprocess.run([PROGRAM, "inspect", "--json", file], check=True, capture_output=True).stdout)["rows"]
               for file in place.files())


def a_plant(place):
    """As in a plant: all readings arrive once, the status answers, a hangup is heard, a stop is clean."""
    port = plant.free_port()
    child = plant_between(place, port)
    line = wait_for("the line about the sandbox", 60, lambda: re.search(r"^info (sandbox .*)$", log_of(child), re.M))[1]
    print(line)
    # Debian 12's kernel has the second version of Landlock.
    if line != 'sandbox capabilities=none landlock="version 2" seccomp=on':
        fail("that is not the sandbox of Linux 6.1")
    with open(f"/proc/{child.pid}/status", encoding="ascii") as file:
        kernel = dict(row.rstrip("\n").split(":\t", 1) for row in file if ":\t" in row)
    if kernel["Seccomp"] != "2" or kernel["NoNewPrivs"] != "1" or int(kernel["CapPrm"], 16) != 0:
        fail(f"the kernel says otherwise: {kernel}")
    answer(port, "/readyz")
    child.send_signal(signal.SIGHUP)
    wait_for("the hangup to be heard", 60, lambda: 'reloaded secret="the same"' in log_of(child))
    all_delivered(child)
    shown = re.search(r"^volume_uploader_delivered_readings_total (\d+)$", answer(port, "/metrics"), re.M)
    if not shown or int(shown[1]) != READINGS:
        fail(f"/metrics: {shown}")
    end_well(child)
    rows = rows_by_inspect(place)
    if rows != READINGS:
        fail(f"{rows} rows of {READINGS} readings")
    print(f"readings: {READINGS} made, {rows} rows in {len(place.files())} files")


def calls_of(path):
    """What the process called once the filter was there, and what was refused."""
    made, refused, filtered = collections.Counter(), collections.Counter(), False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            name = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed>)", line)
            if not name:
                continue
            if filtered and "resumed>" not in line:
                made[name[1]] += 1
            error = re.search(r" = -1 (EPERM|ENOSYS) ", line)
            if filtered and error:
                refused[f"{name[1]} {error[1]}"] += 1
            filtered = filtered or "PR_SET_SECCOMP, SECCOMP_MODE_FILTER" in line
    return made, refused


def no_call_it_needs_is_refused(place):
    """From the outside: what the same run calls, and that the filter answers none of it with a refusal."""
    port, trace = plant.free_port(), os.path.join(place.directory, "calls")
    tracer = f"strace -D -f -qq -s 0 -o {trace}"
    # That refusals are seen at all: in the test of an intruder.
    subprocess.run([*tracer.split(), os.path.join(TESTS, "unit/commands_confine_test")], check=True, capture_output=True)
    refused = calls_of(trace)[1]
    if not {"ptrace EPERM", "mount EPERM", "clone3 ENOSYS"} <= set(refused):
        fail(f"the intruder got away with it: {dict(refused)}")
    traced = os.path.join(place.directory, "traced")
    with open(traced, "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec {tracer} {PROGRAM} "$@"\n')
    os.chmod(traced, stat.S_IRWXU)
    child = plant_between(place, port, traced)
    answer(port, "/readyz")
    child.send_signal(signal.SIGHUP)
    all_delivered(child)
    for path in ("/", "/metrics"):
        answer(port, path)
    end_well(child)
    made, refused = calls_of(trace)
    print(f"calls under the filter: {sum(made.values())} of {len(made)} kinds: {' '.join(sorted(made))}")
    print(f"calls refused: {dict(refused)}")
    if not {"write", "fdatasync", "renameat", "clone", "connect"} <= set(made):
        fail("that is not the trace of a run")
    if set(refused) - NOT_THERE:
        fail("a call that a run makes is refused")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        machine()
    else:
        plant.main(a_plant, no_call_it_needs_is_refused)
