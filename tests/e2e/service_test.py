"""The service: what `run` tells a service manager, and what the unit file lets it do."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import plant

UNIT = os.path.join(os.path.dirname(__file__), "../../deploy/systemd/volume-uploader.service")
CALLS = os.path.join(os.path.dirname(__file__), "../../src/commands/confine_calls.c")
EXPOSURE_MAX = 1.5


def hear(manager, seconds, wanted, heard):
    """Adds what comes to `heard` until a datagram begins with `wanted`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            heard.append(manager.recv(4096).decode())
        except TimeoutError:
            continue
        if heard[-1].startswith(wanted):
            return heard[-1]
    return plant.fail(f"waited {seconds} s in vain for {wanted}; heard {heard}")


def stands_still(child):
    """Every thread of it is stopped."""
    for task in os.listdir(f"/proc/{child.pid}/task"):
        with open(f"/proc/{child.pid}/task/{task}/stat", encoding="ascii") as file:
            if file.read().rsplit(")", 1)[1].split()[0] != "T":
                return False
    return True


def tells_the_manager(place):
    feeder = plant.Feeder()
    feeder.start()
    place.emulate()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(os.path.join(place.directory, "notify"))
    manager.settimeout(0.1)
    heard = []
    child = place.run(feeder.port, NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="2000000")
    hear(manager, 60, "READY=1", heard)
    if heard[0] != "STATUS=recovering":
        plant.fail(f"before READY=1 it should say that it recovers, but: {heard}")
    status = hear(manager, 60, "STATUS=stream connected", heard)
    if not re.search(r"\| \S+/s \| waiting ", status):
        plant.fail(f"an odd status: {status}")
    # The watchdog: one sign after the other, as long as intake goes round.
    heard.clear()
    for _ in range(3):
        hear(manager, 30, "WATCHDOG=1", heard)
    # A program that stands still gives none; systemd would end it.
    child.send_signal(signal.SIGSTOP)
    plant.wait_for("it to stand still", 30, lambda: stands_still(child))
    manager.setblocking(False)
    try:
        while True:
            manager.recv(4096)
    except BlockingIOError:
        pass
    manager.settimeout(3)
    try:
        plant.fail(f"stopped, and yet it says {manager.recv(4096)}")
    except TimeoutError:
        pass
    manager.settimeout(0.1)
    child.send_signal(signal.SIGCONT)
    hear(manager, 30, "WATCHDOG=1", heard)
    child.send_signal(signal.SIGTERM)
    hear(manager, 30, "STOPPING=1", heard)
    if child.wait(60) != 0:
        plant.fail(f"exit code {child.returncode}")
    feeder.stop()


def reads_credentials_and_state_directory(place):
    """What LoadCredential= and StateDirectory= of the unit become: two variables."""
    feeder = plant.Feeder()
    feeder.start()
    place.emulate()
    os.mkdir(os.path.join(place.directory, "credentials"), 0o700)
    with open(os.path.join(place.directory, "credentials", "databricks_access_token"), "w", encoding="ascii") as file:
        file.write(plant.TOKEN + "\n")
    child = place.run(feeder.port, DATABRICKS_TOKEN=None, VOLUME_UPLOADER_STATE_DIR=None, STATE_DIRECTORY=place.state,
                      CREDENTIALS_DIRECTORY=os.path.join(place.directory, "credentials"))
    plant.wait_for("a file in the volume", 60, place.files)
    plant.end_well(child)
    if not os.path.exists(os.path.join(place.state, "IDENTITY")):
        plant.fail("the state is not in $STATE_DIRECTORY")
    feeder.stop()


def the_unit_is_tight(place):
    del place
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze", flush=True)
        return
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True,
                         check=False, text=True)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", out.stdout)
    if not found:
        plant.fail(f"systemd-analyze says {out.stdout[-300:]} {out.stderr[-300:]}")
    print(f"exposure {found[1]}, at most {EXPOSURE_MAX}", flush=True)
    if float(found[1]) > EXPOSURE_MAX:
        plant.fail("the service may do more than it should")


def the_unit_fits_the_program(place):
    """Names in the unit and in the example environment file are those of the program."""
    del place
    with open(UNIT, encoding="utf-8") as file:
        unit = dict(line.split("=", 1) for line in file.read().splitlines() if "=" in line and line[0] != "#")
    help_text = subprocess.run([plant.PROGRAM, "run", "--help"], capture_output=True, check=True, text=True).stdout
    words = unit["ExecStart"].split()
    if words[:2] != ["volume-uploader", "run"] or any(flag not in help_text for flag in words[2:]):
        plant.fail(f"ExecStart={unit['ExecStart']}")
    settings = subprocess.run([plant.PROGRAM, "help", "--settings-md"], capture_output=True, check=True, text=True).stdout
    with open(os.path.join(os.path.dirname(UNIT), "volume-uploader.env"), encoding="utf-8") as file:
        names = re.findall(r"^#([A-Z_]+)=", file.read(), re.M)
    if len(names) < 8:
        plant.fail(f"only {names} in the example environment file")
    for name in names:
        if f"`{name}`" not in settings:
            plant.fail(f"{name} in the example environment file is no setting")


def expanded(sets, names):
    """The system calls of names and @sets, as systemd understands them."""
    found = set()
    for name in names:
        found |= expanded(sets, sets[name]) if name in sets else {name}
    return found


def the_unit_allows_what_the_program_allows_itself(place):
    """Two filters: the calls of the inner one, and those that put it up, must pass the outer one."""
    del place
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze", flush=True)
        return
    out = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, check=True, text=True)
    sets, last = {}, None
    for line in out.stdout.splitlines():
        if line.startswith("@"):
            last = sets.setdefault(line.strip(), [])
        elif last is not None and line.strip() and not line.strip().startswith("#"):
            last.append(line.strip())
    allowed = expanded(sets, ["@default"])
    with open(UNIT, encoding="utf-8") as file:
        for words in re.findall(r"^SystemCallFilter=(.*)$", file.read(), re.M):
            named = expanded(sets, words.removeprefix("~").split())
            allowed = allowed - named if words.startswith("~") else allowed | named
    with open(CALLS, encoding="utf-8") as file:
        table = file.read()
    ours = set(re.findall(r"\bSYS_(\w+)", table)) - set(
        re.findall(r"SYS_(\w+)", re.search(r"absent\[\] = \{(.*?)\}", table)[1]))
    ours |= {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "prctl"}
    ours -= {"setpriority"}  # refused, the status thread stays as important as the others; its share is bounded anyway
    if len(ours) < 100 or not ours <= allowed:
        plant.fail(f"of {len(ours)} calls the unit forbids {sorted(ours - allowed)}")
    if allowed & {"ptrace", "mount", "bpf", "reboot", "init_module"}:
        plant.fail("the unit allows too much")


if __name__ == "__main__":
    plant.main(tells_the_manager, reads_credentials_and_state_directory, the_unit_is_tight, the_unit_fits_the_program,
               the_unit_allows_what_the_program_allows_itself)
