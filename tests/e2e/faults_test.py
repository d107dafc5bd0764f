"""Whatever the workspace does, every reading sent before a clean stop is in the volume exactly once in the end."""
import os
import random
import signal
import time

from plant import OAUTH, Feeder, Verdict, fail, log_of, main, seed, wait_for

RULES = [
    "PUT /api/2.0/fs/files/* status=503 count=2",
    "PUT /api/2.0/fs/files/* status=500 count=1",
    "PUT /api/2.0/fs/files/* status=429 retry-after=1 count=1",
    "PUT /api/2.0/fs/files/* limit count=1",
    "PUT /api/2.0/fs/files/* lose count=1",
    "PUT /api/2.0/fs/files/* cut=before count=1",
    "PUT /api/2.0/fs/files/* cut=inside count=1",
    "PUT /api/2.0/fs/files/* cut=after count=1",
    "PUT /api/2.0/fs/files/* delay=300ms count=2",
    "HEAD /api/2.0/fs/files/* head-length=+1 count=1",
    "HEAD /api/2.0/fs/files/* status=500 count=1",
    "HEAD /api/2.0/fs/files/* cut=before count=1",
    "PUT /api/2.0/fs/files/* 401-once",
    "PUT /api/2.0/fs/directories/* status=503 count=1",
]


def stop(child, feeder):
    feeder.sending = False
    time.sleep(0.3)
    child.send_signal(signal.SIGTERM)
    if child.wait(90) != 0:
        fail(f"run ended with {child.returncode}:\n{log_of(child)}")


def deliver_the_rest(place, feeder):
    """A ship that backs off ends at once when it is stopped; what it left on disk goes with the next start."""
    place.faults(None, method="DELETE")
    for _ in range(10):
        left = [n for n in os.listdir(os.path.join(place.state, "outbox")) if n.endswith(".parquet")]
        if not left:
            return
        again = place.run(feeder.listen(), "--stop-ms=60s")
        wait_for("the rest", 60, lambda: "delivered" in log_of(again))
        stop(again, feeder)
    fail(f"still in the outbox: {left}")


def every_fault_of_the_workspace(place):
    rng = random.Random(seed())
    feeder = Feeder(rate=5000)
    feeder.start()
    place.emulate()
    child = place.run(feeder.port, "--stop-ms=80s", **OAUTH)
    for rule in rng.sample(RULES, len(RULES)):
        place.faults(rule)
        time.sleep(0.9)
    wait_for("the faults to be over", 120, lambda: log_of(child).count("delivered") >= 10)
    stop(child, feeder)
    deliver_the_rest(place, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def workspace_started_late_and_restarted(place):
    feeder = Feeder(rate=5000)
    feeder.start()
    child = place.run(feeder.port, "--stop-ms=60s")
    wait_for("readings without a workspace", 20, lambda: feeder.sent() > 10000)
    time.sleep(2)
    emulator = place.emulate()
    wait_for("the first delivery", 60, lambda: "delivered" in log_of(child))
    wait_for("the news", 20, lambda: log_of(child).count("delivery_works") == 1)
    emulator.kill()
    emulator.wait()
    wait_for("the complaint", 30, lambda: log_of(child).count("delivery_waits") >= 2)
    place.emulate()
    wait_for("the next delivery", 90, lambda: log_of(child).count("delivery_works") == 2)
    time.sleep(1)
    stop(child, feeder)
    deliver_the_rest(place, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def stopped_without_a_workspace_and_started_again(place):
    feeder = Feeder(rate=5000)
    feeder.start()
    child = place.run(feeder.port)
    wait_for("readings without a workspace", 20, lambda: feeder.sent() > 10000)
    started = time.monotonic()
    stop(child, feeder)
    if time.monotonic() - started > 15:
        fail("a ship that backs off must end at once")
    place.emulate()
    again = place.run(feeder.listen())
    wait_for("the delivery", 60, lambda: "delivered" in log_of(again))
    feeder.sending = True
    time.sleep(1)
    stop(again, feeder)
    deliver_the_rest(place, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def denied_is_said_once_and_nothing_is_lost(place):
    feeder = Feeder(rate=2000)
    feeder.start()
    place.emulate()
    place.faults("* /api/2.0/* status=403 error_code=PERMISSION_DENIED")
    child = place.run(feeder.port)
    wait_for("the refusal", 30, lambda: "delivery_waits" in log_of(child))
    time.sleep(4)
    if log_of(child).count("delivery_waits") != 1:
        fail("a lasting refusal must be said once:\n" + log_of(child))
    if feeder.sent() < 4000:
        fail("receiving must not depend on the workspace")
    place.faults(None, method="DELETE")
    stop(child, feeder)
    again = place.run(feeder.listen(), "--stop-ms=60s")
    wait_for("the delivery", 60, lambda: "delivered" in log_of(again))
    stop(again, feeder)
    deliver_the_rest(place, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


main(every_fault_of_the_workspace, workspace_started_late_and_restarted,
     stopped_without_a_workspace_and_started_again, denied_is_said_once_and_nothing_is_lost)
