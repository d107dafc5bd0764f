"""kill -9 at random moments: nothing durable is lost, nothing is there twice."""
import os
import random
import signal
import struct
import time

from plant import Feeder, Verdict, fail, log_of, main, seed, trace_of, wait_for

KILLS = int(os.environ.get("KILLS", "100"))


def killed_at_random_moments(place):
    rng = random.Random(seed())
    feeder = Feeder(rate=8000)
    feeder.start()
    place.emulate()
    durable = set()
    for kill in range(KILLS):
        port = feeder.listen()
        child = place.run(port, VOLUME_UPLOADER_COMMIT_MS="10", VOLUME_UPLOADER_BATCH_SIZE="5000",
                          VOLUME_UPLOADER_SEGMENT_BYTES="1MiB")
        time.sleep(rng.choice([0.02, 0.1, 0.3, 1.2]) * rng.random() + 0.01)
        if child.poll() is not None:
            fail(f"ended by itself with {child.returncode}:\n{log_of(child)}")
        child.send_signal(signal.SIGKILL)
        child.wait()
        record = trace_of(child)
        if record:
            durable.update(feeder.durable(port, record[1]))
    feeder.sending = False
    port = feeder.listen()
    child = place.run(port)
    wait_for("the last run to connect", 30, lambda: any(c[0] == port for c in feeder.connections))
    first = feeder.sent()
    feeder.sending = True
    feeder.max_n = first + 1000
    wait_for("the last readings to be sent", 30, lambda: feeder.sent() == first + 1000)
    time.sleep(0.3)
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"the last run ended with {child.returncode}:\n{log_of(child)}")
    durable.update(range(first, first + 1000))
    feeder.stop()
    if len(durable) < 1000 + KILLS:
        fail(f"only {len(durable)} durable readings: the test has not tested anything")
    Verdict(place).check(durable, feeder.sent())
    left = [n for n in os.listdir(os.path.join(place.state, "outbox")) if n.endswith(".parquet")]
    if left:
        fail(f"files left in the outbox after a clean stop: {left}")


def a_promise_names_its_readings(place):
    """A segment that is full in the middle of what was received: the trace speaks only for what is in the journal."""
    feeder = Feeder(rate=3700)
    feeder.start()
    place.emulate()
    child = place.run(feeder.port, VOLUME_UPLOADER_COMMIT_MS="200", VOLUME_UPLOADER_BATCH_SIZE="500")
    durable_seq = 0
    while durable_seq < 1500:  # the first segment ends at 500, the feeder sends 37 at a time
        record = os.read(child.trace, 16)
        if len(record) < 16:
            fail(f"ended by itself:\n{log_of(child)}")
        durable_seq, offset = struct.unpack("<QQ", record)
        told = len(feeder.durable(feeder.port, offset))
        if told != durable_seq:
            fail(f"{durable_seq} readings are durable, the stream offset says {told}")
    child.kill()
    feeder.stop()


main(killed_at_random_moments, a_promise_names_its_readings)
