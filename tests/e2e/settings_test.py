"""Wrong settings: all named at once, exit code 2; the lock: 3; an unusable state directory: 4."""
import os
import signal
import subprocess
import time

from plant import PROGRAM, TOKEN, Feeder, Verdict, delivered, fail, log_of, main, wait_for


def ends_with(child, code, *words):
    child.wait(90)
    text = log_of(child)
    if child.returncode != code:
        fail(f"exit code {child.returncode}, not {code}:\n{text}")
    for word in words:
        if word not in text:
            fail(f"'{word}' is not in:\n{text}")
    return text


def all_mistakes_at_once(place):
    child = place.start(["run", "--commit-ms=never", "--upload-parallel=0"], place.run_env(
        49167, DATABRICKS_UC_VOLUME="main.plant", KELVIN_STREAM_PORT="70000",
        DATABRICKS_HOST="http://example.com", VOLUME_UPLOADER_COMPRESSION="lzma"))
    text = ends_with(child, 2, "commit", "never", "upload", "DATABRICKS_UC_VOLUME", "main.plant", "70000", "lzma",
                     "http://example.com")
    if os.path.exists(place.state):
        fail("nothing may be started or made: " + text)


def missing_settings_are_named(place):
    child = place.start(["run"], {"PATH": os.environ["PATH"], "HOME": place.directory})
    ends_with(child, 2, "DATABRICKS_SERVER_HOSTNAME", "DATABRICKS_UC_VOLUME")


def http_only_on_loopback(place):
    child = place.start(["run"], place.run_env(49167, DATABRICKS_HOST="http://example.com"))
    ends_with(child, 2, "http")


def second_run_is_told_who_holds_the_lock(place):
    feeder = Feeder()
    feeder.start()
    first = place.run(feeder.port)
    wait_for("the first run", 60, lambda: "stream_connected" in log_of(first))
    second = place.run(feeder.port)
    ends_with(second, 3, str(first.pid), place.state)
    first.send_signal(signal.SIGTERM)
    first.wait(40)
    feeder.stop()


def volatile_file_system_is_refused(place):
    if not os.path.isdir("/dev/shm"):
        print("skipped: no tmpfs at hand")
        return
    state = f"/dev/shm/volume-uploader-e2e.{os.getpid()}"
    child = place.start(["run"], place.run_env(49167, VOLUME_UPLOADER_STATE_DIR=state,
                                               VOLUME_UPLOADER_ALLOW_VOLATILE_STATE=None))
    ends_with(child, 4, "tmpfs", "allow_volatile_state")
    subprocess.run(["rm", "-rf", state], check=False)


def unreadable_state_is_4(place):
    os.makedirs(os.path.join(place.state, "elsewhere"), 0o700)
    os.symlink("elsewhere", os.path.join(place.state, "journal"))  # damage is mended, a person's doing is not
    child = place.start(["run"], place.run_env(49167))
    ends_with(child, 4, "journal")


def wrong_but_well_formed_settings_still_receive(place):
    feeder = Feeder(rate=2000)
    feeder.start()
    child = place.run(feeder.port, DATABRICKS_HOST="https://no-such-workspace.invalid")
    wait_for("the complaint", 120, lambda: "delivery_waits" in log_of(child))
    child.send_signal(signal.SIGTERM)
    ends_with(child, 0, "no-such-workspace.invalid")
    feeder.stop()
    place.emulate()
    again = place.run(feeder.port, "--stop-ms=60s")
    wait_for("the delivery", 120, lambda: delivered(again))
    again.send_signal(signal.SIGTERM)
    ends_with(again, 0)
    Verdict(place).check([], feeder.sent())


def refused_secret_and_missing_volume_still_receive(place):
    for words, settings in [("the secret", {"DATABRICKS_TOKEN": "another-token"}),
                            ("the volume", {"DATABRICKS_UC_VOLUME": "main.plant.elsewhere"})]:
        feeder = Feeder(rate=2000)
        feeder.start()
        if words == "the secret":
            place.emulate()
        child = place.run(feeder.port, **settings)
        wait_for(f"the complaint about {words}", 90, lambda: "delivery_waits class=denied" in log_of(child))
        before = feeder.sent()
        wait_for("more readings", 60, lambda: feeder.sent() > before + 2000)
        if log_of(child).count("delivery_waits") != 1:
            fail(f"{words}: said more than once:\n{log_of(child)}")
        child.send_signal(signal.SIGTERM)
        ends_with(child, 0)
        feeder.stop()


def a_new_token_is_taken_from_its_file(place):
    """Without a signal and without a restart: while it is refused it looks at the file again."""
    path = os.path.join(place.directory, "token")
    secret = {"DATABRICKS_TOKEN": None, "DATABRICKS_ACCESS_TOKEN_FILE": path}

    def write(token):
        with open(os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(token + "\n")
        os.rename(path + ".new", path)

    place.emulate()
    write("dapi-an-old-one")
    feeder = Feeder(rate=500)
    feeder.start()
    child = place.run(feeder.port, DATABRICKS_DELTA_TABLE="main.plant.events", VOLUME_UPLOADER_JOB_SERVERLESS="yes",
                      **secret)
    wait_for("the refusals", 90, lambda: "delivery_waits class=denied" in log_of(child) and "job_waits" in log_of(child))
    write("dapi-also-wrong")
    wait_for("the next one", 40, lambda: log_of(child).count("reloaded secret=changed") == 1)
    write(TOKEN)
    # Of itself a refused delivery is tried again after a minute at the earliest.
    wait_for("a delivery", 40, lambda: delivered(child))
    wait_for("the job", 40, lambda: "job_created" in log_of(child))
    if log_of(child).count("reloaded") != 2:
        fail(f"every change is said, and nothing else:\n{log_of(child)}")
    feeder.rest()
    child.send_signal(signal.SIGTERM)
    ends_with(child, 0)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def second_signal_ends_at_once(place):
    feeder = Feeder(rate=2000)
    feeder.start()
    place.emulate()
    place.faults("PUT /api/2.0/fs/files/* delay=60s")
    child = place.run(feeder.port, "--stop-ms=110s")
    wait_for("an upload that hangs", 60, lambda: place.fault_hits()[0][0])
    started = time.monotonic()
    child.send_signal(signal.SIGTERM)
    wait_for("the stop to begin", 60, lambda: "stopping" in log_of(child))
    child.send_signal(signal.SIGTERM)
    ends_with(child, 0, "stopped_at_once")
    if time.monotonic() - started > 50:
        fail("the second signal did not end it")
    feeder.stop()


def help_is_for_people(place):
    for command in ["run", "demo", "simulate", "emulate", "inspect", "version", "help"]:
        out = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True, check=False)
        if out.returncode != 0 or command not in out.stdout or len(out.stdout) < 40:
            fail(f"{command} --help: {out.returncode} {out.stdout} {out.stderr}")
    out = subprocess.run([PROGRAM, "rnu"], capture_output=True, text=True, check=False)
    if out.returncode != 2 or "run" not in out.stderr:
        fail(f"an unknown command: {out.returncode} {out.stderr}")


main(all_mistakes_at_once, missing_settings_are_named, http_only_on_loopback,
     second_run_is_told_who_holds_the_lock, volatile_file_system_is_refused, unreadable_state_is_4,
     wrong_but_well_formed_settings_still_receive,
     refused_secret_and_missing_volume_still_receive, a_new_token_is_taken_from_its_file,
     second_signal_ends_at_once, help_is_for_people)
