"""A bad line costs nobody anything: not its connection, not its neighbours, and it is counted."""
import os
import signal

from ledger import BROKEN, Count, Ledger, OddFeeder, gaps_of, metrics, nothing_left, settled
from plant import fail, free_port, log_of, main, wait_for

READINGS = 6000
LIMIT = 2048  # KELVIN_STREAM_LIMIT: the longest line


class LongFeeder(OddFeeder):
    """One line in a while is longer than the limit, by one byte and by far."""

    def line(self, n):
        long = b""
        if n % 500 == 250:
            long = b'{"type":"' + b"x" * (LIMIT - 8 if n % 1000 == 250 else 10 * LIMIT) + b"\n"
        return long + super().line(n)


def run_over(place, feeder):
    """Its metrics when all is delivered."""
    feeder.max_n = READINGS
    feeder.start()
    place.emulate()
    status = free_port()
    child = place.run(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{status}", KELVIN_STREAM_LIMIT=str(LIMIT))
    wait_for("all to be sent", 60, lambda: feeder.sent() == READINGS or len(feeder.connections) > 1)
    if len(feeder.connections) > 1:
        fail("a line has closed the connection")
    values = wait_for("all to be delivered", 60, lambda: settled(status, READINGS) if metrics(status)[
        "readings_total"] == READINGS else None)
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(f"ended with {child.returncode}:\n{log_of(child)}")
    feeder.stop()
    ledger = Ledger(place, feeder)
    ledger.judge(range(READINGS))
    nothing_left(place)
    return values, ledger


def a_bad_line_keeps_the_connection(place):
    values, ledger = run_over(place, OddFeeder(rate=6000))
    Count((0, READINGS)).check(values)
    if values["connections_total"] != 1:
        fail(f"{values['connections_total']:.0f} connections")
    if values["superseded_readings_total"] != sum(ledger.superseded) or not sum(ledger.superseded):
        fail(f"superseded {values['superseded_readings_total']}, by the files {sum(ledger.superseded)}")
    if gaps_of(place):
        fail("gaps.log has lines")
    kept = b""
    folder = os.path.join(place.state, "rejected")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            kept += file.read()
    if kept.count(b'"reason"') < len(BROKEN):
        fail(f"rejected/ has too little: {kept[:500]}")


def a_line_too_long_keeps_it_too(place):
    values, _ = run_over(place, LongFeeder(rate=6000))
    wanted = Count((0, READINGS))
    wanted.rejected += READINGS // 500
    wanted.lines += READINGS // 500
    wanted.check(values)
    if values["connections_total"] != 1:
        fail(f"{values['connections_total']:.0f} connections")


main(a_bad_line_keeps_the_connection, a_line_too_long_keeps_it_too)
