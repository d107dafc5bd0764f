"""The real databricks-sdk works against the emulator: files up, down, listed, deleted; OAuth and token."""
import io
import os
import subprocess
import sys

try:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors import AlreadyExists, NotFound, PermissionDenied, Unauthenticated
except ImportError as missing:
    print(f"no databricks-sdk: {missing}")
    sys.exit(77)

from plant import PROGRAM, TOKEN, VOLUME, Place, fail

CLIENT_ID, CLIENT_SECRET = "11111111-2222-3333-4444-555555555555", "interop-secret-0001"
FOLDER = "/Volumes/" + VOLUME.replace(".", "/")


def must_fail(kinds, what, call):
    try:
        call()
    except kinds:
        return
    fail(f"{what}: no error")


def files(client):
    body = os.urandom(300_000)
    client.files.create_directory(FOLDER + "/data/deep/er")
    client.files.create_directory(FOLDER + "/data/deep/er")
    path = FOLDER + "/data/deep/a b=1 \u00fc.bin"
    client.files.upload(path, io.BytesIO(body), overwrite=False)
    must_fail(AlreadyExists, "upload twice", lambda: client.files.upload(path, io.BytesIO(body), overwrite=False))
    client.files.upload(path, io.BytesIO(body[::-1]), overwrite=True)
    if client.files.download(path).contents.read() != body[::-1]:
        fail("download differs")
    about = client.files.get_metadata(path)
    if about.content_length != len(body):
        fail(f"length {about.content_length}")
    client.files.get_directory_metadata(FOLDER + "/data/deep")
    for i in range(5):
        client.files.upload(f"{FOLDER}/data/many-{i}.bin", io.BytesIO(b"x" * i), overwrite=False)
    listed = {e.name: e for e in client.files.list_directory_contents(FOLDER + "/data", page_size=2)}
    if sorted(listed) != ["deep"] + [f"many-{i}.bin" for i in range(5)] or not listed["deep"].is_directory:
        fail(f"listing: {sorted(listed)}")
    if listed["many-3.bin"].file_size != 3:
        fail("size in the listing")
    must_fail(Exception, "delete a full directory", lambda: client.files.delete_directory(FOLDER + "/data/deep"))
    client.files.delete(path)
    client.files.delete_directory(FOLDER + "/data/deep/er")
    client.files.delete_directory(FOLDER + "/data/deep")
    for i in range(5):
        client.files.delete(f"{FOLDER}/data/many-{i}.bin")
    must_fail(NotFound, "download what is gone", lambda: client.files.download(path))
    must_fail(NotFound, "a volume that is not there",
              lambda: client.files.upload("/Volumes/no/such/volume/x", io.BytesIO(b"x")))


def main():
    place = Place()
    env = dict(place.env, DATABRICKS_TOKEN=TOKEN, DATABRICKS_CLIENT_ID=CLIENT_ID,
               DATABRICKS_CLIENT_SECRET=CLIENT_SECRET)
    for name in list(os.environ):
        if name.startswith("DATABRICKS_"):
            del os.environ[name]
    os.environ["DATABRICKS_CONFIG_FILE"] = os.path.join(place.directory, "none")
    child = place.start(["emulate", "--listen", f"127.0.0.1:{place.emulator_port}", "--root", place.root,
                         "--volume", VOLUME], env)
    place.wait_port(place.emulator_port, child)
    host = f"http://127.0.0.1:{place.emulator_port}"
    try:
        by_token = WorkspaceClient(host=host, token=TOKEN)
        print("token:", by_token.current_user.me().user_name)
        files(by_token)
        by_oauth = WorkspaceClient(host=host, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        print("OAuth:", by_oauth.current_user.me().user_name)
        files(by_oauth)
        must_fail((Unauthenticated, PermissionDenied), "a wrong token",
                  lambda: WorkspaceClient(host=host, token="wrong").current_user.me())
        must_fail(Exception, "a wrong secret", lambda: WorkspaceClient(
            host=host, client_id=CLIENT_ID, client_secret="wrong").current_user.me())
    finally:
        place.end()


main()
