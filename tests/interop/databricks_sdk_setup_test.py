"""The real databricks-sdk works against the emulator: workspace files, jobs and runs, Unity Catalog, SQL, grants."""
import base64
import io
import os
import sys
import time

try:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import (AlreadyExists, BadRequest, NotFound, PermissionDenied, ResourceAlreadyExists,
                                       ResourceDoesNotExist)
    from databricks.sdk.service import catalog, compute, iam, jobs, sql, workspace
except ImportError as missing:
    print(f"no databricks-sdk: {missing}")
    sys.exit(77)

from plant import TOKEN, VOLUME, Place, fail

CLIENT_ID, CLIENT_SECRET = "11111111-2222-3333-4444-555555555555", "interop-secret-0001"
CATALOG, SCHEMA, _ = VOLUME.split(".")
FOLDER = "/Volumes/" + VOLUME.replace(".", "/")
TABLE = f"{CATALOG}.{SCHEMA}.sdk_events"
CODE = "/Workspace/Shared/sdk test"


def want(got, expected, what):
    if got != expected:
        fail(f"{what}: {got!r}, not {expected!r}")


def must_fail(kinds, what, call):
    try:
        call()
    except kinds as error:
        return error
    fail(f"{what}: no error")


def workspace_files(client):
    body = b"print('hello')\n"
    client.workspace.mkdirs(CODE)
    must_fail((NotFound, ResourceDoesNotExist), "import without a parent", lambda: client.workspace.import_(
        CODE + "/no/x.py", content=base64.b64encode(body).decode(), format=workspace.ImportFormat.AUTO))
    client.workspace.import_(CODE + "/a.py", content=base64.b64encode(body).decode(), overwrite=True,
                             format=workspace.ImportFormat.AUTO)
    must_fail((ResourceAlreadyExists, AlreadyExists, BadRequest), "import twice", lambda: client.workspace.import_(
        CODE + "/a.py", content="", format=workspace.ImportFormat.AUTO))
    client.workspace.upload(CODE + "/b.py", io.BytesIO(body), format=workspace.ImportFormat.AUTO, overwrite=True)
    for name in ("a.py", "b.py"):
        about = client.workspace.get_status(f"{CODE}/{name}")
        want((about.object_type, about.size), (workspace.ObjectType.FILE, len(body)), name)
        want(base64.b64decode(client.workspace.export(f"{CODE}/{name}").content), body, name)
        want(client.workspace.download(f"{CODE}/{name}").read(), body, name)
    client.workspace.import_(CODE + "/note.py", format=workspace.ImportFormat.AUTO, overwrite=True,
                             content=base64.b64encode(b"# Databricks notebook source\n1\n").decode())
    want(client.workspace.get_status(CODE + "/note").object_type, workspace.ObjectType.NOTEBOOK, "the pitfall")
    want(sorted(o.path.rsplit("/", 1)[1] for o in client.workspace.list(CODE)), ["a.py", "b.py", "note"], "list")
    client.workspace.delete(CODE + "/note")


def unity_catalog(client):
    name = f"{CATALOG}.{SCHEMA}.sdk_volume"
    must_fail(NotFound, "a volume that is not there", lambda: client.volumes.read(name))
    made = client.volumes.create(CATALOG, SCHEMA, "sdk_volume", catalog.VolumeType.MANAGED, comment="c")
    want((made.full_name, client.volumes.read(name).comment), (name, "c"), "volume")
    if "sdk_volume" not in [v.name for v in client.volumes.list(CATALOG, SCHEMA)]:
        fail("the volume is not listed")
    client.volumes.delete(name)
    want(client.schemas.get(f"{CATALOG}.{SCHEMA}").name, SCHEMA, "schema")


def run_sql(client, text, expected=sql.StatementState.SUCCEEDED):
    warehouse = next(w for w in client.warehouses.list() if w.enable_serverless_compute)
    answer = client.statement_execution.execute_statement(text, warehouse.id, wait_timeout="30s")
    if answer.status.state != expected:
        fail(f"{text}: {answer.status}")
    return answer


def statements(client):
    run_sql(client, f"CREATE TABLE IF NOT EXISTS {TABLE} (timestamp TIMESTAMP_NTZ, asset STRING, datastream STRING, "
                    "payload DOUBLE) USING DELTA")
    table = client.tables.get(TABLE)
    want([(c.name, c.type_name.value) for c in table.columns],
         [("timestamp", "TIMESTAMP_NTZ"), ("asset", "STRING"), ("datastream", "STRING"), ("payload", "DOUBLE")], "table")
    want(client.tables.exists(TABLE).table_exists, True, "exists")
    want(run_sql(client, f"SELECT count(*) FROM {TABLE}").result.data_array, [["0"]], "count")
    bad = run_sql(client, "CREATE TABL x", sql.StatementState.FAILED)
    if "PARSE_SYNTAX_ERROR" not in bad.status.error.message:
        fail(f"words of a syntax error: {bad.status.error}")
    run_sql(client, f"GRANT SELECT, MODIFY ON TABLE {TABLE} TO `{CLIENT_ID}`")
    want(len(run_sql(client, f"SHOW GRANTS ON TABLE {TABLE}").result.data_array), 2, "SHOW GRANTS")


def grants(client, restricted):
    probe = FOLDER + "/sdk-probe"
    error = must_fail(PermissionDenied, "upload without a grant",
                      lambda: restricted.files.upload(probe, io.BytesIO(b"x"), overwrite=True))
    if "USE CATALOG" not in str(error):
        fail(f"the privilege is not named: {error}")
    rows = [("catalog", CATALOG, [catalog.Privilege.USE_CATALOG]),
            ("schema", f"{CATALOG}.{SCHEMA}", [catalog.Privilege.USE_SCHEMA]),
            ("volume", VOLUME, [catalog.Privilege.READ_VOLUME, catalog.Privilege.WRITE_VOLUME])]
    for kind, name, privileges in rows:
        client.grants.update(kind, name, changes=[catalog.PermissionsChange(principal=CLIENT_ID, add=privileges)])
    restricted.files.upload(probe, io.BytesIO(b"x"), overwrite=True)
    restricted.files.delete(probe)
    seen = restricted.grants.get_effective("volume", VOLUME, principal=CLIENT_ID).privilege_assignments
    want(sorted(p.privilege.value for a in seen for p in a.privileges),
         ["READ_VOLUME", "USE_CATALOG", "USE_SCHEMA", "WRITE_VOLUME"], "effective permissions")
    must_fail(PermissionDenied, "somebody else's grants", lambda: restricted.grants.get("volume", VOLUME))


def job_settings(warehouse, name):
    return dict(
        name=name, tags={"managed_by": "sdk"}, max_concurrent_runs=1, queue=jobs.QueueSettings(enabled=True),
        trigger=jobs.TriggerSettings(pause_status=jobs.PauseStatus.PAUSED, file_arrival=jobs.FileArrivalTriggerConfiguration(
            url=FOLDER + "/data/", min_time_between_triggers_seconds=60)),
        tasks=[jobs.Task(task_key="copy", max_retries=0, sql_task=jobs.SqlTask(
            warehouse_id=warehouse, file=jobs.SqlTaskFile(path=CODE + "/copy.sql", source=jobs.Source.WORKSPACE)))])


def jobs_and_runs(client):
    client.files.create_directory(FOLDER + "/data")
    copy = f"COPY INTO {TABLE} FROM '{FOLDER}/data/' FILEFORMAT = PARQUET"
    client.workspace.import_(CODE + "/copy.sql", content=base64.b64encode(copy.encode()).decode(), overwrite=True,
                             format=workspace.ImportFormat.AUTO)
    warehouse = next(iter(client.warehouses.list())).id
    ids = [client.jobs.create(**job_settings(warehouse, "SDK job")).job_id for _ in range(3)]
    want(sorted(j.job_id for j in client.jobs.list(name="sdk JOB", limit=2)), sorted(ids), "list by name")
    want([bool(j.settings.tasks) for j in client.jobs.list(name="SDK job")], [False] * 3, "list without tasks")
    for extra in ids[1:]:
        client.jobs.delete(extra)
    job = client.jobs.get(ids[0])
    want((job.settings.name, job.settings.tasks[0].sql_task.warehouse_id), ("SDK job", warehouse), "get")
    client.jobs.reset(ids[0], jobs.JobSettings(**job_settings(warehouse, "SDK job 2")))
    client.jobs.update(ids[0], new_settings=jobs.JobSettings(timeout_seconds=77))
    job = client.jobs.get(ids[0])
    want((job.settings.name, job.settings.timeout_seconds, len(job.settings.tasks)), ("SDK job 2", 77, 1), "update")
    client.permissions.update("jobs", str(ids[0]), access_control_list=[iam.AccessControlRequest(
        service_principal_name=CLIENT_ID, permission_level=iam.PermissionLevel.CAN_MANAGE_RUN)])
    first = client.jobs.run_now(ids[0], idempotency_token="sdk-1")
    want(client.jobs.run_now(ids[0], idempotency_token="sdk-1").run_id, first.run_id, "the same token")
    end = time.monotonic() + 30
    while client.jobs.get_run(first.run_id).end_time == 0 and time.monotonic() < end:
        time.sleep(0.1)
    run = client.jobs.get_run(first.run_id)
    want((run.state.result_state, run.status.termination_details.code),
         (jobs.RunResultState.SUCCESS, jobs.TerminationCodeCode.SUCCESS), f"the run: {run.state}")
    want([r.run_id for r in client.jobs.list_runs(job_id=ids[0], completed_only=True)], [first.run_id], "list of runs")
    client.jobs.get_run_output(run.tasks[0].run_id)
    must_fail(Exception, "a job that is gone", lambda: client.jobs.get(ids[1]))
    want(client.clusters.get("0123-456789-cluster0").state, compute.State.TERMINATED, "cluster")


def main():
    place = Place()
    env = dict(place.env, DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_ID=CLIENT_ID,
               DATABRICKS_CLIENT_SECRET=CLIENT_SECRET)
    for name in list(os.environ):
        if name.startswith("DATABRICKS_"):
            del os.environ[name]
    os.environ["DATABRICKS_CONFIG_FILE"] = os.path.join(place.directory, "none")
    child = place.start(["emulate", "--listen", f"127.0.0.1:{place.emulator_port}", "--root", place.root,
                         "--volume", VOLUME, "--restrict"], env)
    place.wait_port(place.emulator_port, child)
    host = f"http://127.0.0.1:{place.emulator_port}"
    try:
        admin = WorkspaceClient(host=host, token=TOKEN)
        restricted = WorkspaceClient(host=host, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        for part, arguments in ((workspace_files, [admin]), (unity_catalog, [admin]), (statements, [admin]),
                                (grants, [admin, restricted]), (jobs_and_runs, [admin])):
            part(*arguments)
            print("ok", part.__name__)
    finally:
        place.end()


main()
