"""The real publisher of kelvin-python-sdk feeds `run`; every value of its CSV file arrives, and nothing else."""
import csv
import os
import random
import signal
import socket
import subprocess
import sys
import time

try:
    import pyarrow.parquet as pq
except ImportError as missing:
    print(f"no pyarrow: {missing}")
    sys.exit(77)

from plant import Place, fail, free_port, log_of, wait_for

PUBLISHER = os.path.join(os.path.dirname(sys.executable), "kelvin-publisher")
APP = """spec_version: 5.0.0
type: app
name: interop
title: Interop
description: feeds the uploader
version: 1.0.0
data_streams:
  inputs:
    - name: casing_pressure
      data_type: number
    - name: gas_flow_rate
      data_type: number
    - name: running
      data_type: boolean
"""
ASSETS = ["test-asset-1", "test-asset-2"]


def make_csv(path):
    rng = random.Random(7)
    expected = {}
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["timestamp", "asset_name", "casing_pressure", "gas_flow_rate", "running"])
        for i in range(500):
            us = 1_738_326_896_000_000 + i * 250_000
            asset = ASSETS[i % 2]
            pressure, flow = round(rng.uniform(0, 500), 3), rng.uniform(-1e-9, 1e9)
            running = bool(i // 7 % 2)
            writer.writerow([time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(us // 1_000_000))
                             + f".{us % 1_000_000:06d}Z", asset, repr(pressure), repr(flow) if i % 3 else "",
                             str(running).lower()])
            expected[(us, asset, "casing_pressure")] = pressure
            if i % 3:
                expected[(us, asset, "gas_flow_rate")] = flow
            expected[(us, asset, "running")] = 1.0 if running else 0.0
    return expected


def rows(place):
    found = {}
    for path in place.files():
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        times = table["timestamp"].cast("int64").to_pylist()
        for key in zip(times, table["asset"].to_pylist(), table["datastream"].to_pylist(),
                       table["payload"].to_pylist()):
            if key[:3] in found:
                fail(f"twice: {key}")
            found[key[:3]] = key[3]
    return found


def main():
    if not os.path.exists(PUBLISHER):
        print("no kelvin-publisher")
        sys.exit(77)
    place = Place()
    port = free_port()
    config, data = os.path.join(place.directory, "app.yaml"), os.path.join(place.directory, "data.csv")
    with open(config, "w") as out:
        out.write(APP)
    expected = make_csv(data)
    log = open(os.path.join(place.directory, "publisher.log"), "w")
    publisher = subprocess.Popen(
        [PUBLISHER, "csv", "--config", config, "--csv", data, "--publish-interval", "0", "--asset-count", "2"],
        env=dict(place.env, KELVIN_PUBLISHER_IP="127.0.0.1", KELVIN_PUBLISHER_PORT=str(port)), stdout=log,
        stderr=subprocess.STDOUT, cwd=place.directory)
    try:
        place.emulate()
        wait_for("the publisher", 60, lambda: publisher.poll() is not None or listens(port))
        child = place.run(port, "--upload-interval=1s")
        wait_for("all values", 90, lambda: sum_delivered(log_of(child)) >= len(expected))
        child.send_signal(signal.SIGTERM)
        if child.wait(60) != 0:
            fail(log_of(child))
        found = rows(place)
        if found != expected:
            wrong = {k: (expected.get(k), found.get(k)) for k in set(found) ^ set(expected)}
            fail(f"{len(found)} of {len(expected)} values; differing: {list(wrong.items())[:5]}")
        print(f"{len(found)} values of the real publisher, all equal")
    except BaseException:
        log.flush()
        print(open(log.name).read()[-3000:])
        raise
    finally:
        publisher.kill()
        publisher.wait()
        place.end()


def sum_delivered(text):
    total = 0
    for line in text.splitlines():
        if " delivered " in f" {line} " and "readings=" in line:
            total += int(line.split("readings=")[1].split()[0])
    return total


def listens(port):
    with open("/proc/net/tcp") as table:
        return any(f"0100007F:{port:04X} 00000000:0000 0A" in line for line in table)


main()
