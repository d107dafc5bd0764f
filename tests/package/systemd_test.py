"""The unit under a real systemd: the package installed in a Debian that boots in a container, and what systemd does with it."""
import os
import shutil
import signal
import subprocess

import debian_test
import plant
import tree

SERVICE = "volume-uploader.service"
# Shorter than in the unit, so that nobody waits a minute to see a hanging program ended.
DROP_IN = "[Service]\nWatchdogSec=5\nRestartSec=1\n"


class Machine:
    """A booted tree. The network is the machine's own: local workspace and stream are reached as in a plant."""

    def __init__(self, place):
        self.place = place
        self.log = open(place.root + ".log", "w+", encoding="utf-8")
        self.child = subprocess.Popen(
            # nspawn's own filter is older than Landlock.
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--directory", place.root, "--boot",
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.leader = plant.wait_for("systemd as process 1", 60, self.find_leader)
        plant.wait_for("the system to be up", 120, lambda: self.call("systemctl", "is-system-running").stdout.strip() in (
            "running", "degraded"))

    def find_leader(self):
        if self.child.poll() is not None:
            self.log.seek(0)
            tree.skip(f"systemd-nspawn does not start here: {self.log.read().strip()[-300:]}")
        for pid in children_of(self.child.pid):
            for one in [pid, *children_of(pid)]:
                if comm_of(one) == "systemd":
                    return one
        return None

    def call(self, *words):
        return subprocess.run(["nsenter", "--all", "--target", str(self.leader), *words], env=tree.ENVIRONMENT, text=True,
                              capture_output=True, check=False, timeout=300, errors="replace")

    def run(self, *words):
        out = self.call(*words)
        if out.returncode != 0:
            tree.fail(f"{' '.join(words)}: exit code {out.returncode}\n{out.stdout}{out.stderr}\n{self.lines()[-3000:]}")
        return out.stdout

    def show(self, *names):
        lines = self.run("systemctl", "show", SERVICE, "--property", ",".join(names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def lines(self):
        return self.call("journalctl", "--no-pager", "--output=cat", "--unit", SERVICE).stdout

    def pid(self):
        """As the machine outside sees it: in the cgroup of the service there is one process."""
        inside = self.show("MainPID")["MainPID"]
        for entry in os.listdir("/proc"):
            if entry.isdigit() and comm_of(entry) == "volume-uploader" and inner_pid(entry) == inside:
                return int(entry)
        return None

    def write(self, inside, text, mode=0o644):
        path = self.place.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def end(self):
        self.child.send_signal(signal.SIGTERM)  # nspawn: an orderly poweroff
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def comm_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def status_of(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    except OSError:
        return {}


def inner_pid(pid):
    ids = status_of(pid).get("NSpid", "").split()
    return ids[-1] if len(ids) > 1 else None


def settings_file(where, feeder):
    wanted = where.run_env(feeder.port, DATABRICKS_TOKEN=None, VOLUME_UPLOADER_STATE_DIR=None)
    return "".join(f"{name}={value}\n" for name, value in wanted.items()
                   if name.startswith(("DATABRICKS_", "KELVIN_", "VOLUME_UPLOADER_")))


def is_confined(machine, pid):
    """What the unit promises, seen on the process itself."""
    status = status_of(pid)
    if "0" in status["Uid"].split() or int(status["CapEff"], 16) != 0 or int(status["CapBnd"], 16) != 0:
        tree.fail(f"it may more than it should: Uid {status['Uid']}, CapEff {status['CapEff']}, CapBnd {status['CapBnd']}")
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        tree.fail(f"NoNewPrivs {status['NoNewPrivs']}, Seccomp {status['Seccomp']}")
    with open(f"/proc/{pid}/environ", "rb") as file:
        if plant.TOKEN.encode() in file.read():
            tree.fail("the token stands in the environment of the process")
    state = machine.place.path(debian_test.HOME_OF_STATE)
    if os.stat(state).st_mode & 0o777 != 0o700 or not os.path.exists(os.path.join(state, "IDENTITY")):
        tree.fail("the state is not in a directory of its own")
    if "sandbox capabilities=none landlock=" not in machine.lines() or "seccomp=on" not in machine.lines():
        tree.fail(f"the sandbox is not on:\n{machine.lines()}")
    print(next(line for line in machine.lines().splitlines() if line.startswith("sandbox ")), flush=True)


def restarts(machine, how, count, why):
    """Something ends it; systemd starts it again, and it goes on where it was."""
    how(machine.pid())
    plant.wait_for(f"a restart after {why}", 90, lambda: machine.show("NRestarts")["NRestarts"] == str(count) and
                   machine.show("ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"})


def lives(machine, feeder, where):
    machine.write("/etc/default/volume-uploader", settings_file(where, feeder))
    machine.write("/etc/credstore/databricks_access_token", plant.TOKEN + "\n", 0o600)
    machine.write(f"/etc/systemd/system/{SERVICE}.d/test.conf", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", SERVICE)  # Type=notify: returns after READY=1
    plant.wait_for("a file in the volume", 60, where.files)
    plant.wait_for("a status text", 60, lambda: machine.show("StatusText")["StatusText"].startswith("stream connected"))
    print("systemctl status: " + machine.show("StatusText")["StatusText"], flush=True)
    is_confined(machine, machine.pid())
    before = machine.show("MainPID", "NRestarts")
    machine.run("systemctl", "reload", SERVICE)
    if machine.show("MainPID", "NRestarts") != before:
        tree.fail("a reload is no restart")
    restarts(machine, lambda pid: os.kill(pid, signal.SIGKILL), 1, "kill -9")
    restarts(machine, lambda pid: os.kill(pid, signal.SIGSTOP), 2, "a hang, by the watchdog")
    machine.run("systemctl", "stop", SERVICE)
    if machine.show("Result", "ExecMainStatus") != {"Result": "success", "ExecMainStatus": "0"}:
        tree.fail(f"a stop is no failure: {machine.show('Result', 'ExecMainStatus')}\n{machine.lines()[-2000:]}")
    # A setting that cannot be is said once; another try would say the same.
    machine.write("/etc/default/volume-uploader", settings_file(where, feeder) + "KELVIN_STREAM_PORT=fifty\n")
    if machine.call("systemctl", "start", SERVICE).returncode == 0 or machine.show("ExecMainStatus")["ExecMainStatus"] != "2":
        tree.fail(f"a wrong setting: {machine.show('ExecMainStatus', 'Result', 'SubState')}")
    if machine.show("SubState")["SubState"] != "failed" or "fifty" not in machine.lines():
        tree.fail(f"tried again, or not explained:\n{machine.lines()[-2000:]}")


def nothing_is_lost(machine, feeder, where):
    """A last start delivers what waits; killed twice, so what was durable is there once, and the stream's end is not owed."""
    machine.write("/etc/default/volume-uploader", settings_file(where, feeder))
    feeder.rest()
    machine.run("systemctl", "start", SERVICE)
    outbox = machine.place.path(debian_test.HOME_OF_STATE) + "/outbox"
    plant.wait_for("the rest", 120, lambda: not [name for name in os.listdir(outbox) if name.endswith(".parquet")])
    machine.run("systemctl", "stop", SERVICE)
    verdict = plant.Verdict(where)
    if verdict.twice or verdict.altered or verdict.ghost or verdict.overlap or not verdict.seen:
        tree.fail(f"twice {verdict.twice[:3]}, altered {verdict.altered[:3]}, ghost {verdict.ghost[:3]}, {verdict.overlap[:3]}")
    print(f"{len(verdict.seen)} readings in {len(verdict.files)} files, none twice, ghost or altered", flush=True)


def a_service_under_systemd():
    deb = debian_test.package()
    place = tree.Tree("systemd")
    place.run("apt-get", "update", "-q")
    place.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "systemd", "systemd-sysv", "dbus")
    debian_test.install(place, deb)
    shutil.copyfile("/dev/null", place.path("/etc/machine-id"))

    def test(feeder, where):
        machine = Machine(place)
        try:
            lives(machine, feeder, where)
            nothing_is_lost(machine, feeder, where)
        finally:
            machine.end()

    debian_test.emulated(test)
    place.remove()


if __name__ == "__main__":
    tree.needs("debootstrap", "chroot", "systemd-nspawn", "nsenter")
    plant.PROGRAM = os.path.join(tree.ROOT, "build/package/amd64/volume-uploader")
    tree.main(a_service_under_systemd)
