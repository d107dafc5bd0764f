"""Whatever the workspace does, every reading sent before a clean stop is in the volume exactly once in the end."""
import random
import signal
import time

from plant import (OAUTH, Feeder, Verdict, deliver_the_rest, delivered, end_well, fail, log_of, main, seed,
                   wait_for)

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
]
FIRST = "PUT /api/2.0/fs/directories/* status=503 count=1"  # asked for once, before the first file


def stop(child, feeder):
    feeder.rest()
    end_well(child)


def all_met(place):
    """Every fault happened, as often as it may."""
    return all(hits > 0 and left == 0 for hits, left in place.fault_hits())


def meet(place, child, rules):
    """After each delivery the waits are short again; all faults in one row would take many minutes."""
    place.faults("\n".join(rules))
    wait_for(f"the faults {rules}", 120, lambda: all_met(place))
    before = delivered(child)
    wait_for(f"a delivery after {rules}", 120, lambda: delivered(child) > before)
    place.faults(None, method="DELETE")


def judge(place, feeder):
    """Everything that was sent is there, once."""
    deliver_the_rest(place, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def every_fault_of_the_workspace(place):
    rng = random.Random(seed())
    feeder = Feeder(rate=5000)
    feeder.start()
    place.emulate("--fault", FIRST)
    child = place.run(feeder.port, "--stop-ms=80s", **OAUTH)
    rules = rng.sample(RULES, len(RULES))
    for at in range(0, len(rules), 3):
        meet(place, child, rules[at:at + 3])
    stop(child, feeder)
    place.faults(None, method="DELETE")
    judge(place, feeder)


def workspace_started_late_and_restarted(place):
    """Absent at the start, sign-in and all, and then for longer than a token lives: what an hour would show."""
    life = ["--token-lifetime", "3s"]
    feeder = Feeder(rate=5000)
    feeder.start()
    child = place.run(feeder.port, "--stop-ms=60s", **OAUTH)
    wait_for("readings without a workspace", 60, lambda: feeder.sent() > 10000)
    wait_for("the complaint", 60, lambda: "delivery_waits" in log_of(child))
    emulator = place.emulate(*life)
    wait_for("the news", 120, lambda: "delivery_works" in log_of(child))
    waits, works = (log_of(child).count(word) for word in ("delivery_waits", "delivery_works"))
    emulator.kill()
    emulator.wait()
    wait_for("the next complaint", 120, lambda: log_of(child).count("delivery_waits") > waits)
    time.sleep(4)
    place.emulate(*life)
    wait_for("the next delivery", 120, lambda: log_of(child).count("delivery_works") > works)
    stop(child, feeder)
    judge(place, feeder)


def restarted_workspace_forgets_its_tokens(place):
    """As after a revocation: 403 to a token that would live for an hour more, and nobody gives a signal."""
    feeder = Feeder(rate=5000)
    feeder.start()
    emulator = place.emulate()
    child = place.run(feeder.port, "--stop-ms=60s", **OAUTH)
    wait_for("a delivery", 120, lambda: delivered(child))
    for _ in range(2):
        emulator.kill()
        emulator.wait()
        emulator = place.emulate("--fault", "POST /oidc/v1/token delay=1ms")
        before = delivered(child)
        wait_for("a delivery to the next workspace", 180, lambda: delivered(child) > before)
        if place.fault_hits()[0][0] == 0:
            fail("the old token was good: this test shows nothing")
    stop(child, feeder)
    judge(place, feeder)


def hangup_asks_for_a_new_token(place):
    """Whatever the workspace thinks of the one in use."""
    feeder = Feeder(rate=5000)
    feeder.start()
    place.emulate("--fault", "POST /oidc/v1/token delay=1ms")
    child = place.run(feeder.port, "--stop-ms=60s", **OAUTH)
    wait_for("a delivery", 120, lambda: delivered(child))
    if place.fault_hits()[0][0] != 1:
        fail("one token is enough")
    child.send_signal(signal.SIGHUP)
    wait_for("the next token", 60, lambda: place.fault_hits()[0][0] >= 2)
    before = delivered(child)
    wait_for("a delivery with it", 60, lambda: delivered(child) > before)
    stop(child, feeder)
    judge(place, feeder)


def stopped_without_a_workspace_and_started_again(place):
    feeder = Feeder(rate=5000)
    feeder.start()
    child = place.run(feeder.port, "--stop-ms=110s")
    wait_for("readings without a workspace", 60, lambda: feeder.sent() > 10000)
    feeder.rest()
    started = time.monotonic()
    end_well(child)
    if time.monotonic() - started > 60:
        fail("a ship that backs off must end at once")
    place.emulate()
    again = place.run(feeder.listen())
    wait_for("the delivery", 120, lambda: delivered(again))
    before = feeder.sent()
    feeder.sending = True
    wait_for("more readings", 60, lambda: feeder.sent() > before + 1000)
    stop(again, feeder)
    judge(place, feeder)


def denied_is_said_once_and_nothing_is_lost(place):
    feeder = Feeder(rate=2000)
    feeder.start()
    place.emulate()
    place.faults("* /api/2.0/* status=403 error_code=PERMISSION_DENIED")
    child = place.run(feeder.port)
    wait_for("the refusal", 60, lambda: "delivery_waits" in log_of(child))
    before = feeder.sent()
    time.sleep(3)
    wait_for("readings that do not depend on the workspace", 60, lambda: feeder.sent() > before + 4000)
    if log_of(child).count("delivery_waits") != 1:
        fail("a lasting refusal must be said once:\n" + log_of(child))
    place.faults(None, method="DELETE")
    stop(child, feeder)
    again = place.run(feeder.listen(), "--stop-ms=60s")
    wait_for("the delivery", 120, lambda: delivered(again))
    stop(again, feeder)
    judge(place, feeder)


main(every_fault_of_the_workspace, workspace_started_late_and_restarted, restarted_workspace_forgets_its_tokens,
     hangup_asks_for_a_new_token, stopped_without_a_workspace_and_started_again, denied_is_said_once_and_nothing_is_lost)
