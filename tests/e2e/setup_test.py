"""From an empty workspace to a job that stays: `setup`, and the job thread of `run`."""
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request

from plant import (CLIENT_ID, OAUTH, PROGRAM, TOKEN, Feeder, Verdict, delivered, end_well, fail, free_port, log_of, main,
                   wait_for)

TABLE = "main.plant.events"
JOB = f"volume-uploader {TABLE}"
WAREHOUSE = "8ec9edc1db0c40df"  # the emulator's own
SERVERLESS = {"DATABRICKS_DELTA_TABLE": TABLE, "VOLUME_UPLOADER_JOB_SERVERLESS": "yes"}


def api(place, method, path, body=None, **query):
    url = f"http://127.0.0.1:{place.emulator_port}{path}"
    if query:
        url += "?" + urllib.parse.urlencode(query)
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode(),
                                     headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or b"{}")


def jobs(place, name=None):
    query = {"name": name} if name else {}
    return api(place, "GET", "/api/2.2/jobs/list", expand_tasks="true", **query).get("jobs", [])


def setup(place, *arguments, **more):
    """Returns the exit code and the answer of --json."""
    env = place.run_env(1, **{**SERVERLESS, **more})
    out = subprocess.run([PROGRAM, "setup", "--json", *arguments], env=env, capture_output=True, text=True,
                         timeout=120, check=False)
    if out.returncode not in (0, 1):
        fail(f"setup ended with {out.returncode}: {out.stderr}")
    return out.returncode, json.loads(out.stdout)


def results(answer, name):
    return [step["result"] for step in answer["steps"] if step["name"] == name]


def expect(have, want, what):
    if have != want:
        fail(f"{what}: {have!r}, not {want!r}")


def everything(place):
    """The workspace as it lies on disk."""
    found = {}
    for folder, _, names in os.walk(place.root):
        found[folder] = None
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.join(folder, name)] = file.read()
    return found


def setup_is_idempotent(place):
    place.emulate()
    before = everything(place)
    code, dry = setup(place, "--dry-run")
    expect((code, dry["failed"]), (0, 0), "a dry run")
    expect(jobs(place), [], "jobs after a dry run")
    expect(everything(place), before, "the workspace after a dry run")
    code, first = setup(place)
    if code != 0:
        fail(f"setup: {[s for s in first['steps'] if s['result'] == 'failed']}")
    expect(results(first, "table"), ["created"], "the table")
    expect(results(first, "job"), ["created"], "the job")
    expect([results(dry, "table"), results(dry, "job")], [["would create"]] * 2, "the dry run")
    code, again = setup(place)
    expect(code, 0, "the second time")
    expect({step["result"] for step in again["steps"]}, {"ok"}, "every step of the second time")
    job = jobs(place, JOB)[0]["settings"]
    expect(job["trigger"]["file_arrival"]["url"], "/Volumes/main/plant/readings/data/", "the folder")
    expect(job["max_concurrent_runs"], 1, "runs at a time")
    columns = api(place, "GET", f"/api/2.1/unity-catalog/tables/{TABLE}")["columns"]
    expect([(c["name"], c["type_text"].lower()) for c in columns],
           [("timestamp", "timestamp_ntz"), ("asset", "string"), ("datastream", "string"), ("payload", "double")],
           "the columns")


def a_changed_setting_updates_the_job(place):
    place.emulate()
    setup(place)
    before = jobs(place, JOB)[0]
    code, answer = setup(place, VOLUME_UPLOADER_JOB_TRIGGER="periodic")
    expect((code, results(answer, "job")), (0, ["updated"]), "another trigger")
    after = jobs(place, JOB)
    expect([job["job_id"] for job in after], [before["job_id"]], "the jobs")
    expect("periodic" in after[0]["settings"]["trigger"], True, "the trigger")


def the_original_job_is_explained_and_paused(place):
    place.emulate()
    setup(place, VOLUME_UPLOADER_JOB_SERVERLESS=None)  # volume and table, no job
    api(place, "POST", "/api/2.2/jobs/create", {
        "name": "Kelvin - Auto Loader",
        "trigger": {"pause_status": "UNPAUSED", "file_arrival": {"url": "/Volumes/main/plant/readings/data/"}},
        "tasks": [{"task_key": "t", "existing_cluster_id": "0123-456789-cluster0",
                   "spark_python_task": {"python_file": "/Workspace/Shared/kelvin.py"}}]})
    code, answer = setup(place)
    expect((code, results(answer, "other jobs"), results(answer, "job")), (1, ["failed"], ["skipped"]), "beside it")
    expect(jobs(place, JOB), [], "our job")
    code, answer = setup(place, "--replace-original")
    expect((code, results(answer, "other jobs"), results(answer, "job")), (0, ["updated"], ["created"]), "instead")
    expect(jobs(place, "Kelvin - Auto Loader")[0]["settings"]["trigger"]["pause_status"], "PAUSED", "the original")


def names_of_every_kind(place):
    place.emulate()
    odd = "main.plant.`ev'ents``ü`"
    code, answer = setup(place, DATABRICKS_DELTA_TABLE=odd)
    expect(code, 0, f"{odd}: {[s for s in answer['steps'] if s['result'] == 'failed']}")
    expect(len(jobs(place, "volume-uploader main.plant.ev'ents`ü")), 1, "its job")
    code, answer = setup(place, DATABRICKS_DELTA_TABLE=odd)
    expect({step["result"] for step in answer["steps"]}, {"ok"}, "the second time")


def two_tables_get_two_jobs(place):
    place.emulate("--volume", "main.plant.second")
    setup(place)
    code, _ = setup(place, DATABRICKS_DELTA_TABLE="main.plant.others", DATABRICKS_UC_VOLUME="main.plant.second")
    expect((code, len(jobs(place))), (0, 2), "a second table with a volume of its own")
    files = {job["settings"]["tasks"][0]["spark_python_task"]["python_file"] for job in jobs(place)}
    expect(len(files), 2, "files of code")
    code, answer = setup(place, DATABRICKS_DELTA_TABLE="main.plant.third")
    expect((code, results(answer, "other jobs")), (1, ["failed"]), "a third table on the first volume")


def start(place, feeder, **more):
    return place.run(feeder.port, "--stop-ms=110s", **{**SERVERLESS, **more})


def stop(child, feeder):
    feeder.rest()
    end_well(child)


def run_makes_the_job_whatever_happens(place):
    """No workspace at start, then rights missing, then a lost answer: the readings and one job in the end."""
    feeder = Feeder(rate=2000)
    feeder.start()
    child = start(place, feeder)
    wait_for("the complaint", 60, lambda: "job_waits" in log_of(child))
    wait_for("readings without a workspace", 60, lambda: feeder.sent() > 4000)
    place.emulate("--fault", "POST /api/2.2/jobs/create status=403 count=1",
                  "--fault", "POST /api/2.2/jobs/create lose count=1 after=1")
    # By itself, without anybody's help: it waits up to a minute between two looks.
    wait_for("the job", 240, lambda: "job_ok" in log_of(child) or "job_created" in log_of(child))
    expect(len(jobs(place, JOB)), 1, "jobs")
    wait_for("a delivery", 120, lambda: delivered(child))
    stop(child, feeder)
    feeder.stop()
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def as_admin(place, sql):
    """What somebody with the rights does with the SQL that was left: pastes it."""
    for statement in sql.split(";\n"):
        if statement.strip():
            answer = api(place, "POST", "/api/2.0/sql/statements", {
                "warehouse_id": WAREHOUSE, "statement": statement, "wait_timeout": "30s"})
            expect(answer["status"]["state"], "SUCCEEDED", f"{statement}: {answer}")


def the_sql_that_is_left_is_enough(place):
    """A service principal without a right: what it cannot do is printed, somebody runs it, and then all is well. What a
    `run` received without rights is delivered. (It looks again within a minute; SIGHUP makes the test shorter.)"""
    place.emulate("--restrict")
    feeder = Feeder(rate=500)
    feeder.start()
    child = start(place, feeder, **OAUTH)
    wait_for("the complaints", 60, lambda: "job_waits" in log_of(child) and "delivery_waits" in log_of(child))
    code, answer = setup(place, **OAUTH)
    expect(code, 1, "setup without rights")
    expect(jobs(place, JOB), [], "jobs without rights")
    for want in ("CREATE SCHEMA IF NOT EXISTS `main`.`plant`;", "CREATE VOLUME IF NOT EXISTS",
                 "CREATE TABLE IF NOT EXISTS `main`.`plant`.`events`", "GRANT USE CATALOG ON CATALOG `main` TO",
                 f"GRANT READ VOLUME, WRITE VOLUME ON VOLUME `main`.`plant`.`readings` TO `{CLIENT_ID}`",
                 "GRANT SELECT, MODIFY ON TABLE"):
        if want not in answer["sql"]:
            fail(f"'{want}' is not in {answer['sql']}")
    as_admin(place, answer["sql"])
    code, answer = setup(place, **OAUTH)
    expect(code, 0, f"setup with rights: {[s for s in answer['steps'] if s['result'] in ('failed', 'skipped')]}")
    child.send_signal(signal.SIGHUP)
    wait_for("the job's good end", 60, lambda: "job_ok" in log_of(child))
    wait_for("a delivery", 60, lambda: delivered(child))
    stop(child, feeder)
    feeder.stop()
    expect(len(jobs(place, JOB)), 1, "jobs")
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def an_admin_sets_up_for_the_uploader(place):
    """Volume, table and grants; the job is the uploader's own, or it would not see it and make a second one."""
    place.emulate("--restrict")
    admin = ["--principal", CLIENT_ID]
    code, answer = setup(place, *admin)
    expect((code, results(answer, "table"), results(answer, "job")), (0, ["created"], ["ok"]), "the admin's set-up")
    expect(jobs(place), [], "jobs of the admin")
    feeder = Feeder(rate=500)
    feeder.start()
    child = start(place, feeder, **OAUTH)
    wait_for("the job and a delivery", 90, lambda: "job_created" in log_of(child) and delivered(child))
    stop(child, feeder)
    feeder.stop()
    expect([job["creator_user_name"] for job in jobs(place, JOB)], [CLIENT_ID], "jobs and their makers")
    code, answer = setup(place, *admin)
    expect((code, results(answer, "job")), (0, ["ok"]), "the admin's set-up beside it")
    api(place, "POST", "/api/2.2/jobs/delete", {"job_id": jobs(place, JOB)[0]["job_id"]})
    code, answer = setup(place)  # for the admin
    expect((code, results(answer, "job")), (0, ["created"]), "a set-up for the admin")
    code, answer = setup(place, *admin)
    expect((code, results(answer, "job")), (1, ["failed"]), "a job that the uploader cannot see")


def change_grants(place, kind, name, **change):
    api(place, "PATCH", f"/api/2.1/unity-catalog/permissions/{kind}/{name}",
        {"changes": [{"principal": CLIENT_ID, **change}]})


def rights_taken_away_and_given_back(place):
    """In the middle of a run, which goes on receiving and keeps all of it."""
    place.emulate("--restrict")
    _, answer = setup(place, **OAUTH)
    as_admin(place, answer["sql"])
    feeder = Feeder(rate=2000)
    feeder.start()
    child = start(place, feeder, **OAUTH)
    wait_for("job and delivery", 120, lambda: "job_created" in log_of(child) and delivered(child))
    change_grants(place, "volume", "main.plant.readings", remove=["WRITE_VOLUME"])
    wait_for("the refusal", 60, lambda: "delivery_waits class=denied" in log_of(child))
    taken, before = len(place.files()), feeder.sent()
    wait_for("readings meanwhile", 60, lambda: feeder.sent() > before + 6000)
    expect(len(place.files()), taken, "files that arrived without the right")
    api(place, "POST", "/api/2.2/jobs/delete", {"job_id": jobs(place, JOB)[0]["job_id"]})
    change_grants(place, "volume", "main.plant.readings", add=["WRITE_VOLUME"])
    child.send_signal(signal.SIGHUP)  # of itself it looks after a minute at the earliest
    wait_for("deliveries and the job", 60,
             lambda: "delivery_works" in log_of(child) and log_of(child).count("job_created") == 2)
    stop(child, feeder)
    feeder.stop()
    expect(len(jobs(place, JOB)), 1, "jobs")
    Verdict(place).check(range(feeder.sent()), feeder.sent())


def count_rows(place):
    answer = api(place, "POST", "/api/2.0/sql/statements", {
        "warehouse_id": WAREHOUSE, "statement": f"SELECT count(*) FROM {TABLE}", "wait_timeout": "30s"})
    expect(answer["status"]["state"], "SUCCEEDED", f"the count: {answer}")
    return int(answer["result"]["data_array"][0][0])


def run_the_job(place):
    """Once, now; returns how its run ended."""
    job = jobs(place, JOB)[0]["job_id"]
    run = api(place, "POST", "/api/2.2/jobs/run-now", {"job_id": job})["run_id"]
    last = {}

    def ended():
        last.update(api(place, "GET", "/api/2.2/jobs/runs/get", run_id=run))
        return last["state"]["life_cycle_state"] in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED")

    wait_for(f"the run of the job: {last}", 120, ended)
    return last["state"].get("result_state"), last


def load(place, **more):
    """The job, run twice over the same files, loads every reading once."""
    place.emulate()
    code, answer = setup(place, **more)
    expect(code, 0, f"setup: {[s for s in answer['steps'] if s['result'] == 'failed']}")
    feeder = Feeder(rate=2000)
    feeder.start()
    child = start(place, feeder, **more)
    wait_for("some files", 90, lambda: len(place.files()) >= 2)
    stop(child, feeder)
    feeder.stop()
    expect("job_updated" in log_of(child) or "job_created" in log_of(child), False, "a job that setup left right")
    for _ in range(2):
        state, run = run_the_job(place)
        expect(state, "SUCCESS", f"the run: {run}")
        expect(count_rows(place), feeder.sent(), "rows in the table")


def auto_loader_loads_every_reading_once(place):
    load(place)


def copy_into_loads_every_reading_once(place):
    load(place, VOLUME_UPLOADER_JOB_SERVERLESS=None, DATABRICKS_JOB_WAREHOUSE_ID=WAREHOUSE)


def two_uploaders_at_once_make_one_job(place):
    place.emulate("--fault", "POST /api/2.2/jobs/create delay=400ms")
    feeders, children = [], []
    for n in range(2):
        feeders.append(Feeder(rate=200))
        feeders[n].start()
        children.append(start(place, feeders[n], VOLUME_UPLOADER_STATE_DIR=f"{place.state}{n}"))
    wait_for("two good ends", 120, lambda: all("job_ok" in log_of(c) or "job_created" in log_of(c) for c in children))
    for child in children:
        child.send_signal(signal.SIGHUP)  # look again now: a duplicate is seen at the latest here
    wait_for("one job", 90, lambda: len(jobs(place, JOB)) == 1)
    for child, feeder in zip(children, feeders):
        stop(child, feeder)
        feeder.stop()
    expect(len(jobs(place, JOB)), 1, "jobs")


def a_deleted_job_comes_back(place):
    place.emulate()
    feeder = Feeder(rate=200)
    feeder.start()
    child = start(place, feeder)
    wait_for("the job", 90, lambda: len(jobs(place, JOB)) == 1)
    api(place, "POST", "/api/2.2/jobs/delete", {"job_id": jobs(place, JOB)[0]["job_id"]})
    child.send_signal(signal.SIGHUP)
    wait_for("it again", 90, lambda: len(jobs(place, JOB)) == 1)
    stop(child, feeder)
    feeder.stop()


def a_forgotten_token_keeps_no_job_away(place):
    """The workspace is restarted and knows none of the tokens it gave: not while the job waits, nor at a look later."""
    emulator = place.emulate("--fault", "* /api/2.2/jobs/* status=503")
    feeder = Feeder(rate=200)
    feeder.start()
    child = start(place, feeder, **OAUTH)
    wait_for("a job that waits", 120, lambda: "job_waits" in log_of(child))
    emulator.kill()
    emulator.wait()
    emulator = place.emulate()
    wait_for("the job", 240, lambda: "job_created" in log_of(child))
    emulator.kill()
    emulator.wait()
    place.emulate()
    for job in jobs(place, JOB):
        api(place, "POST", "/api/2.2/jobs/delete", {"job_id": job["job_id"]})
    child.send_signal(signal.SIGHUP)
    wait_for("it again", 90, lambda: len(jobs(place, JOB)) == 1)
    stop(child, feeder)
    feeder.stop()


def a_refusal_is_told_once(place):
    """In the log; the status shows it as long as it lasts."""
    place.emulate("--fault", "POST /api/2.2/jobs/create status=403 count=all")
    feeder = Feeder(rate=200)
    feeder.start()
    port = free_port()
    child = start(place, feeder, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}")

    def shown():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status.json", timeout=60) as answer:
            return json.load(answer)

    for _ in range(4):
        wait_for("the refusal", 60, lambda: "job_waits" in log_of(child))
        hits = place.fault_hits()[0][0]
        child.send_signal(signal.SIGHUP)
        wait_for("the next try", 60, lambda: place.fault_hits()[0][0] > hits)
    wait_for("the status", 60, lambda: shown()["table"]["job"] == "failing")
    expect([t["id"] for t in shown()["troubles"]], ["job_failing"], "the troubles")
    place.faults(None, "DELETE")
    child.send_signal(signal.SIGHUP)
    wait_for("the job", 60, lambda: shown()["table"]["job"] == "good")
    stop(child, feeder)
    feeder.stop()
    expect(log_of(child).count("job_waits"), 1, "how often")


def without_a_job_setting_it_is_said_once(place):
    place.emulate()
    feeder = Feeder(rate=200)
    feeder.start()
    child = place.run(feeder.port)
    wait_for("a word about it", 60, lambda: "no_job" in log_of(child))
    time.sleep(2)
    stop(child, feeder)
    feeder.stop()
    expect(log_of(child).count("no_job"), 1, "how often")
    expect(jobs(place), [], "jobs")


def a_stop_does_not_wait_for_the_job(place):
    place.emulate("--fault", "GET /api/2.2/jobs/list delay=120s")
    feeder = Feeder(rate=200)
    feeder.start()
    child = start(place, feeder)
    wait_for("deliveries beside the waiting call", 90, place.files)
    feeder.rest()
    began = time.monotonic()
    stop(child, feeder)
    feeder.stop()
    if time.monotonic() - began > 50:
        fail(f"the stop took {time.monotonic() - began:.1f} s")


def sql_needs_no_network(place):
    env = {"PATH": "/usr/bin", "DATABRICKS_UC_VOLUME": "main.plant.readings", **SERVERLESS}
    out = subprocess.run([PROGRAM, "setup", "--sql"], env=env, capture_output=True, text=True, timeout=60, check=False)
    expect(out.returncode, 0, out.stderr)
    for want in ("CREATE TABLE IF NOT EXISTS `main`.`plant`.`events` (timestamp TIMESTAMP_NTZ,",
                 "GRANT SELECT, MODIFY ON TABLE", "TO `<application id"):
        if want not in out.stdout:
            fail(f"'{want}' is not in {out.stdout}")


def wrong_settings_are_told(place):
    for more, want in (({"DATABRICKS_JOB_CLUSTER_ID": "c", "DATABRICKS_JOB_WAREHOUSE_ID": "w"}, "two loaders"),
                       ({"DATABRICKS_UC_VOLUME": "main.plant.re*dings"}, "use another volume")):
        for command in ("setup", "run"):
            env = place.run_env(1, **{**SERVERLESS, **more})
            out = subprocess.run([PROGRAM, command], env=env, capture_output=True, text=True, timeout=60, check=False)
            expect(out.returncode, 2, f"{command} with {more}")
            if want not in out.stderr:
                fail(f"'{want}' is not in {out.stderr}")


main(sql_needs_no_network, wrong_settings_are_told, setup_is_idempotent, a_changed_setting_updates_the_job,
     the_original_job_is_explained_and_paused, names_of_every_kind, two_tables_get_two_jobs,
     the_sql_that_is_left_is_enough, an_admin_sets_up_for_the_uploader,
     rights_taken_away_and_given_back, auto_loader_loads_every_reading_once, copy_into_loads_every_reading_once,
     run_makes_the_job_whatever_happens, two_uploaders_at_once_make_one_job, a_deleted_job_comes_back,
     a_forgotten_token_keeps_no_job_away, a_refusal_is_told_once, without_a_job_setting_it_is_said_once, a_stop_does_not_wait_for_the_job)
