"""kill -9 at random moments: nothing durable is lost, nothing is there twice, and every number is accounted for."""
import os
import random
import signal
import struct
import time

from ledger import Count, Ledger, OddFeeder, nothing_left, settled
from plant import Feeder, fail, free_port, log_of, main, seed, trace_of, wait_for

KILLS = int(os.environ.get("KILLS", "100"))
LAST = 1000  # readings of the last run, which is left alone


def killed_at_random_moments(place):
    rng = random.Random(seed())
    feeder = OddFeeder(rate=8000)
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
    values, first, sent = left_alone(place, feeder)
    durable.update(range(first, first + sent))
    if len(durable) < LAST + KILLS:
        fail(f"only {len(durable)} durable readings: the test has not tested anything")
    ledger = Ledger(place, feeder)
    ledger.judge(durable)
    Count((first, sent)).check(values)
    packed = int(values["packed_files_total"])
    if values["superseded_readings_total"] != sum(ledger.superseded[-packed:]) or not any(ledger.superseded[-packed:]):
        fail(f"superseded {values['superseded_readings_total']:.0f}; in the last {packed} files: {ledger.superseded[-packed:]}")
    nothing_left(place)


def left_alone(place, feeder):
    """The last run. Its metrics once all is delivered, and the readings it got: first, count."""
    feeder.sending = False
    port, status = feeder.listen(), free_port()
    child = place.run(port, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{status}")
    wait_for("the last run to connect", 60, lambda: any(c[0] == port for c in feeder.connections))
    first = feeder.sent()
    feeder.max_n = first + LAST
    feeder.sending = True
    wait_for("the last readings to be sent", 60, lambda: feeder.sent() == first + LAST)
    values = wait_for("the last readings to be delivered and the sums to be exact", 120,
                      lambda: settled(status, Count((first, LAST)).lines))
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"the last run ended with {child.returncode}:\n{log_of(child)}")
    feeder.stop()
    return values, first, LAST


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
