"""The Kelvin app's description, read by the models with which Kelvin's own tools read it.

Every choice of deploy/kelvin/assemble is put together and turned into the manifest that `kelvin app upload` posts.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

from pathlib import Path

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAM = os.environ["VOLUME_UPLOADER"]

try:
    from kelvin.config.parser import parse_config, parse_config_file
except ImportError as missing:
    print(f"the Kelvin SDK is not there: {missing}")
    sys.exit(77)

COMMON = {
    "DATABRICKS_SERVER_HOSTNAME": "<% secrets.databricks-server-hostname %>",
    "DATABRICKS_UC_VOLUME": "<% secrets.databricks-uc-volume %>",
    "DATABRICKS_DELTA_TABLE": "<% secrets.databricks-delta-table %>",
}
SIGN_IN = {
    "oauth": {"DATABRICKS_CLIENT_ID": "<% secrets.databricks-client-id %>",
              "DATABRICKS_CLIENT_SECRET": "<% secrets.databricks-client-secret %>"},
    "token": {"DATABRICKS_ACCESS_TOKEN": "<% secrets.databricks-access-token %>"},
}
JOB = {
    "cluster": {"DATABRICKS_JOB_CLUSTER_ID": "<% secrets.databricks-job-cluster-id %>"},
    "warehouse": {"DATABRICKS_JOB_WAREHOUSE_ID": "<% secrets.databricks-job-warehouse-id %>"},
    "serverless": {"VOLUME_UPLOADER_JOB_SERVERLESS": "yes"},
    "none": {},
}


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, wanted, what):
    check(got == wanted, f"{what}: {got!r}, wanted {wanted!r}")


def manifest_of(directory):
    app = parse_config_file(os.path.join(directory, "app.yaml"))
    return app, app.to_app_manifest(read_schemas=True, workdir=Path(directory)).model_dump(mode="json")


def project_version():
    with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
        return re.search(r"project\(\S+ VERSION ([0-9.]+)", file.read())[1]


def check_manifest(app, manifest):
    same(app.type.value, "exporter", "type")
    same(app.config.spec_version, "5.0.0", "spec_version")
    same(manifest["name"], "volume-uploader", "name")
    same(manifest["version"], project_version(), "version")
    same(manifest["flags"]["enable_runtime_update"]["configuration"], True, "runtime update")
    same([(io["type_name"], io["ownership"], io["data_types"]) for io in manifest["dynamic_io"]],
         [("timeseries_data", "remote", ["number", "boolean"])], "io")


def check_schema(manifest):
    """The form's bounds and the defaults are those of the program."""
    schema = manifest["schemas"]["configuration"]
    defaults = manifest["defaults"]["app"]["configuration"]
    settings = subprocess.run([PROGRAM, "help", "--settings-md"], capture_output=True, check=True, text=True).stdout
    same(sorted(schema["properties"]), ["batch_size", "upload_interval"], "form")
    same(sorted(schema["required"]), sorted(schema["properties"]), "required")
    for name, about in schema["properties"].items():
        same(about["default"], defaults[name], f"default of {name}")
        check(about["minimum"] <= about["default"] <= about["maximum"], f"{name} is outside its own bounds")
        check(about["title"] and about["description"], f"{name} has no words")
        check(f"### `{name}`" in settings, f"{name} is no setting")
    interval, batch = schema["properties"]["upload_interval"], schema["properties"]["batch_size"]
    check("| Range | 1 s to 1 d |" in settings, "the range of upload_interval is another one now")
    same((interval["minimum"], interval["maximum"]), (1, 86400), "bounds of upload_interval")
    check("| Range | 1 to 1048576 |" in settings.replace(",", ""), "the range of batch_size is another one now")
    same((batch["minimum"], batch["maximum"]), (1, 1048576), "bounds of batch_size")


def check_system(system, wanted_env):
    same({v["name"]: v["value"] for v in system["environment_vars"]}, wanted_env, "environment")
    same(system.get("privileged", False), False, "privileged")
    for which in ("requests", "limits"):
        check(re.fullmatch(r"[0-9]+(\.[0-9]+)?(K|M|G|Ki|Mi|Gi)", system["resources"][which]["memory"]), "memory")
        check(re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|)", system["resources"][which]["cpu"]), "cpu")
    for variable in system["environment_vars"]:
        check(re.fullmatch(r"[a-zA-Z]\w*", variable["name"]), variable["name"])
        check(isinstance(variable["value"], str), f"{variable['name']} is no text")
    (volume,) = system["volumes"]
    same((volume["target"], volume["type"]), ("/data", "persistent"), "volume")
    (port,) = system["ports"]
    same((port["type"], port["service"]["container_port"], port["service"]["exposed"]), ("service", 9464, False), "port")


def check_program_knows(names):
    text = subprocess.run([PROGRAM, "help", "--settings-md"], capture_output=True, check=True, text=True).stdout
    for name in names:
        check(f"`{name}`" in text, f"the program reads no {name}")


def check_folder(directory):
    """The Docker context is this folder: what the Dockerfile copies must lie in it."""
    with open(os.path.join(directory, "Dockerfile"), encoding="utf-8") as file:
        dockerfile = file.read()
    for source in re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.M):
        check(glob.glob(os.path.join(directory, source)), f"COPY {source}: not in the folder")
    check("VOLUME_UPLOADER_STATE_DIR=/data" in dockerfile, "the image keeps its state elsewhere")
    check(os.path.exists(os.path.join(directory, "source/src/main.c")), "the source is missing")


def main():
    with tempfile.TemporaryDirectory() as directory:
        for sign_in, sign_in_env in SIGN_IN.items():
            for job, job_env in JOB.items():
                to = os.path.join(directory, f"{sign_in}-{job}")
                out = subprocess.run([os.path.join(ROOT, "deploy/kelvin/assemble"), "--sign-in", sign_in, "--job", job,
                                      to], capture_output=True, check=True, text=True).stdout
                wanted = {**COMMON, **sign_in_env, **job_env}
                app, manifest = manifest_of(to)
                check_manifest(app, manifest)
                check_schema(manifest)
                check_system(manifest["defaults"]["system"], wanted)
                check_program_knows(wanted)
                same(sorted(line.strip() for line in out.splitlines()[1:]),
                     sorted(re.findall(r"secrets\.(\S+)", " ".join(wanted.values()))), "secrets that are named")
                check_folder(to)
        # What stands in the tree is the usual choice.
        with open(os.path.join(ROOT, "deploy/kelvin/app.yaml"), encoding="utf-8") as file:
            same(file.read(), open(os.path.join(directory, "oauth-cluster/app.yaml"), encoding="utf-8").read(), "app.yaml")
    # The model does look.
    try:
        parse_config({"type": "exporter", "name": "Not A Name", "title": "t", "description": "d", "version": "1"})
        check(False, "the SDK takes everything")
    except ValueError:
        pass
    print("8 variants read by the Kelvin SDK")


main()
