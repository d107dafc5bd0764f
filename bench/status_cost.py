"""What the status page costs: status_cost.py [SECONDS]: processor time of an idle run, then with one reader a second who
takes the page, its numbers and /metrics. No stream, so nothing else moves. Times come from the scheduler, in nanoseconds.
"""
import os
import signal
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
os.environ.setdefault("VOLUME_UPLOADER", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                      "../build/release/volume-uploader"))
from plant import Place, free_port, log_of, wait_for  # noqa: E402
from stream_to_volume import memory  # noqa: E402


def cpu_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def measure(run, seconds, each_second):
    cpu, begin = cpu_seconds(run.pid), time.monotonic()
    for turn in range(seconds):
        each_second()
        time.sleep(max(0, begin + turn + 1 - time.monotonic()))
    return 100 * (cpu_seconds(run.pid) - cpu) / (time.monotonic() - begin)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    place, stream, port = Place(), free_port(), free_port()
    try:
        place.emulate()
        simulate = place.start(["simulate", "--listen", f"127.0.0.1:{stream}", "--rate", "1", "--count", "1"], place.env)
        place.wait_port(stream, simulate)
        run = place.run(stream, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}")
        wait_for("the stream", 30, lambda: "stream_connected" in log_of(run))
        time.sleep(5)

        def read():
            for path in ("/", "/api/status.json", "/metrics"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20).read()

        idle = measure(run, seconds, lambda: None)
        resident = memory(run.pid)
        busy = measure(run, seconds, read)
        print(f"idle: {idle:.3f} % of a core, resident {resident['VmRSS']:.1f} MiB (anonymous {resident['RssAnon']:.1f}); "
              f"with page, numbers and metrics once a second: {busy:.3f} %, {busy - idle:.3f} % more")
        print(next(line for line in log_of(run).splitlines() if "sandbox" in line))
        run.send_signal(signal.SIGTERM)
        run.wait(60)
    finally:
        place.end()


if __name__ == "__main__":
    main()
