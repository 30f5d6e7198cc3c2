"""Every call of the article, both sides: the word sends it, the emulator answers it. One test a row of the table.

Each runs in this process and through a real socket with TLS.
"""

from __future__ import annotations

import io
import json
import pickle
import textwrap
import uuid
import zipfile

import pytest

from azml_magics.errors import (
    AuthenticationError,
    NotFoundError,
    OperationFailed,
    RunFailed,
    ServiceError,
    UsageError,
)
from azml_magics.rest import AccessToken, Session
from azml_magics.rest.clouds import by_name
from tests.conftest import ARM, World

SCRIPT = 'print("Hello, REST!")\n'
API = "https://emulator.api.azureml.ms"


def fresh(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}{uuid.uuid4().hex[:8]}"


def submitted(world: World, script: str = SCRIPT, options: str = "") -> str:
    """The id of a run of this script, just submitted."""
    frame = world.azml(f"submit --experiment {fresh('e')} --compute {world.facts['compute']} {options}", cell=script)
    return str(frame.run_id[0])


def test_row_1_login_by_client_credentials_and_resource(world: World):
    form = {
        "grant_type": "client_credentials",
        "resource": f"{ARM}/",
        "client_id": world.facts["client_id"],
        "client_secret": world.facts["client_secret"],
    }
    url = f"https://login.microsoftonline.com/{world.facts['tenant_id']}/oauth2/token"
    answer = world.http.post(url, data=form, timeout=10)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"], body["resource"]) == ("Bearer", "3599", f"{ARM}/")
    groups = world.http.get(
        f"{ARM}/subscriptions/{world.state.scope.subscription}/resourceGroups?api-version=2019-11-01",
        headers={"Authorization": f"Bearer {body['access_token']}"},
        timeout=10,
    )
    assert groups.status_code == 200


def test_row_1_login_by_msal(world: World):
    who = world.azml("whoami")
    assert (len(who), who.tenant[0]) == (1, world.facts["tenant_id"])


def test_row_1_login_with_a_wrong_secret_is_refused(world: World):
    form = {"grant_type": "client_credentials", "client_id": world.facts["client_id"], "client_secret": "wrong"}
    url = f"https://login.microsoftonline.com/{world.facts['tenant_id']}/oauth2/token"
    answer = world.http.post(url, data=form | {"resource": ARM}, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error_codes"] == [7000215]


def test_row_2_groups(world: World):
    frame = world.azml("groups")
    assert list(frame.columns) == ["name", "location", "state", "tags"]
    assert world.state.scope.group in set(frame.name)


def test_row_3_workspaces_of_a_group_and_of_the_subscription(world: World):
    for line in ("workspaces", "workspaces --all"):
        frame = world.azml(line)
        mine = frame[frame.name == world.state.scope.workspace]
        assert (mine.group.iloc[0], mine.state.iloc[0], mine.sku.iloc[0]) == (
            world.state.scope.group,
            "Succeeded",
            "Basic",
        )


def test_row_4_the_session_finds_the_regional_host_by_the_discovery_url(world: World):
    assert world.state.session.api_host() == API
    document = world.http.get(f"{API}/discovery", timeout=10).json()
    assert {"api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio"} <= document.keys()


def test_row_5_experiments(world: World):
    name = fresh("exp")
    world.azml(f"experiment create {name}")
    frame = world.azml("experiments")
    assert list(frame.columns) == ["name", "experiment_id", "created", "archived", "tags"]
    assert name in set(frame.name)
    assert world.azml(f"experiment show {name}").name[0] == name
    assert world.azml(f"experiment archive {name}").archived.notna()[0]
    assert world.azml(f"experiment archive {name} --undo").archived.isna()[0]


def test_row_6_models(world: World):
    frame = world.azml("models")
    assert list(frame.columns[:5]) == ["id", "name", "version", "framework", "created"]
    assert str(frame.dtypes["created"]) == "datetime64[us, UTC]"


def test_row_7_the_general_pattern_by_rest(world: World):
    name = fresh("exp")
    world.azml(f"experiment create {name}")
    listed = world.azml(f"rest GET history/v1.0{world.workspace}/experiments")
    assert name in [e["name"] for e in listed["value"]]
    assert world.azml("rest GET history/v1.0/experiments") == listed
    computes = world.azml("rest GET computes --query api-version=2019-11-01")
    assert world.facts["compute"] in [c["name"] for c in computes["value"]]
    found = world.azml("rest POST history/v1.0/experiments:query", cell=json.dumps({"filter": f"(name eq {name})"}))
    assert [e["name"] for e in found["value"]] == [name]
    pasted = world.azml(
        "rest", cell=f'curl {API}/history/v1.0{world.workspace}/experiments/{name} \\\n -H "Authorization:Bearer x"'
    )
    assert pasted["name"] == name


def test_row_8_datastores(world: World):
    frame = world.azml("datastores")
    assert list(frame.columns) == ["name", "type", "account", "container", "default"]
    assert frame[frame.default].name.tolist() == ["workspaceblobstore"]


def test_row_8_artifacts_and_their_metadata(world: World):
    run_id = submitted(
        world, 'import pathlib\npathlib.Path("outputs").mkdir()\npathlib.Path("outputs/a.txt").write_text("abc")'
    )
    world.azml(f"run wait {run_id}")
    frame = world.azml(f"artifacts {run_id}")
    assert list(frame.columns) == ["path", "created", "size"]
    assert {"outputs/a.txt", "user_logs/std_log.txt"} <= set(frame.path)
    experiment = world.azml(f"run show {run_id}").experiment[0]
    path = f"history/v1.0{world.workspace}/experiments/{experiment}/runs/{run_id}/artifacts/metadata/"
    assert "outputs/a.txt" in json.dumps(world.azml(f"rest GET {path}"))
    target = world.azml(f"run download {run_id} outputs --to '{world.state.settings.user_file.parent}'")
    assert target["size"].tolist() == [3]


def test_row_8_hyperdrive(world: World):
    run_id = submitted(world, "import sys\nprint(sys.argv)")
    world.azml(f"run wait {run_id}")
    run = world.state.session.call("run.show", keys={"run": run_id})
    experiment = world.azml(f"run show {run_id}").experiment[0]
    config = {
        "name": "sweep",
        "user": "nobody@example.com",
        "platform": "AML",
        "generator_config": {"name": "GRID", "parameter_space": {"lr": ["choice", [[0.1, 0.2]]]}, "properties": None},
        "policy_config": {"name": "Default"},
        "primary_metric_config": {"name": "loss", "goal": "minimize"},
        "max_total_jobs": 2,
        "max_concurrent_jobs": 2,
        "max_duration_minutes": 10,
        "platform_config": {
            "ServiceAddress": API,
            "ServiceArmScope": f"{world.workspace.lstrip('/')}/experiments/{experiment}",
            "Definition": {
                "Overrides": {"script": "cell.py", "arguments": [], "target": world.facts["compute"], "nodeCount": 1},
                "SnapshotId": run["properties"]["ContentSnapshotId"],
            },
        },
    }
    token = world.state.session.token().token
    answer = world.http.post(
        f"{API}/hyperdrive/v1.0{world.workspace}/experiments/{experiment}/runs",
        files={"config": ("config.json", json.dumps(config))},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    parent = answer.json()["result"]["platform_config"]["ParentRunId"]
    assert world.ended(parent)["status"] == "Completed"
    children = world.azml(f"run children {parent}")
    assert children.status.tolist() == ["Completed", "Completed"]
    printed = "".join(str(world.azml(f"run logs {child}")) for child in children.run_id)
    assert "0.1" in printed and "0.2" in printed


def test_row_9_computes(world: World):
    frame = world.azml("computes")
    assert list(frame.columns) == [
        "name", "type", "state", "vm_size", "priority", "min_nodes", "max_nodes", "current_nodes",
        "idle_before_scale_down", "location",
    ]  # fmt: skip
    assert world.facts["compute"] in set(frame.name)


def test_row_10_compute_create_is_polled_to_its_end(world: World):
    name = fresh("cpu-")
    frame = world.azml(f"compute create {name} --size Standard_D1 --max-nodes 2 --idle-seconds 1800")
    assert (frame.state[0], frame.vm_size[0], frame.max_nodes[0]) == ("Succeeded", "STANDARD_D1", 2)
    poller = world.azml(f"compute create {name} --size Standard_D1 --max-nodes 3 --no-wait")
    assert poller.wait()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 3


def test_row_11_a_cell_is_submitted_and_runs(world: World):
    run_id = submitted(world, SCRIPT, "--name first --tag a=b --arg 234")
    assert world.azml(f"run wait {run_id}").status[0] == "Completed"
    assert "Hello, REST!" in world.azml(f"run logs {run_id}")
    shown = world.azml(f"run show {run_id}")
    assert (shown.display_name[0], shown.tags[0]["a"], shown.compute[0]) == ("first", "b", world.facts["compute"])


def test_row_11_a_file_and_a_folder_are_submitted(world: World, tmp_path):
    folder = tmp_path / "code"
    (folder / "lib").mkdir(parents=True)
    (folder / "train.py").write_text("import lib.words\nprint(lib.words.WORD)")
    (folder / "lib" / "words.py").write_text('WORD = "from the folder"')
    by_folder = world.azml(
        f"submit '{folder}' --script train.py --experiment e --compute {world.facts['compute']}"
    ).run_id[0]
    alone = tmp_path / "alone.py"
    alone.write_text("print(open('notes.txt').read())")
    notes = tmp_path / "notes.txt"
    notes.write_text("sent along")
    by_file = world.azml(
        f"submit '{alone}' --include '{notes}' --experiment e --compute {world.facts['compute']}"
    ).run_id[0]
    world.azml(f"run wait {by_folder} {by_file}")
    assert "from the folder" in world.azml(f"run logs {by_folder}")
    assert "sent along" in world.azml(f"run logs {by_file}")


def test_row_11_a_dry_run_shows_the_definition_and_the_listing_and_sends_nothing(world: World):
    before = len(world.azml("experiments"))
    shown = world.azml(f"submit --experiment {fresh('dry')} --pip numpy --env A=b --dry-run", cell=SCRIPT)
    definition, _, listing = shown.rpartition("\n\n")
    configuration = json.loads(definition)["Configuration"]
    assert configuration["Environment"]["Python"]["CondaDependencies"]["dependencies"][-1] == {"pip": ["numpy"]}
    assert "cell.py" in listing
    assert len(world.azml("experiments")) == before


def test_row_12_a_run_and_its_details_logs_children_and_artifacts(world: World):
    run_id = submitted(world, "print('one')\nprint('two')", "--arg x")
    waited = world.azml(f"run wait {run_id}")
    assert waited.duration[0].total_seconds() >= 0
    details = world.azml(f"run details {run_id}")
    assert (details.script[0], details.arguments[0], details.node_count[0]) == ("cell.py", ["x"], 1)
    assert "interpreter" in details.environment[0]
    assert "user_logs/std_log.txt" in details.log_files[0]
    assert world.azml(f"run logs {run_id} --tail 1") == "two"
    assert "user_logs/std_log.txt" in set(world.azml(f"run logs {run_id} --list").path)
    assert "two" in world.azml(f"run logs {run_id} --follow")
    assert len(world.azml(f"run children {run_id}")) == 0
    assert world.azml(f"run show {run_id}").status[0] == "Completed"
    listed = world.azml(f"runs --experiment {waited.experiment[0]} --status Completed --since 1h --top 1")
    assert listed.run_id.tolist() == [run_id]


def test_row_12_metrics(world: World):
    run_id = submitted(world)
    experiment = world.azml(f"run wait {run_id}").experiment[0]
    values = [
        {
            "name": "loss",
            "columns": {"loss": "double"},
            "properties": {"uxMetricType": "azureml.v1.scalar"},
            "value": [
                {"metricId": str(uuid.uuid4()), "createdUtc": "2026-01-02T03:04:05Z", "step": n, "data": {"loss": v}}
            ],
        }
        for n, v in enumerate([0.5, 0.25])
    ]
    world.state.session.call("run.write-metrics", keys={"run": run_id}, body={"values": values})
    frame = world.azml(f"run metrics {run_id}")
    assert list(frame.columns) == ["run_id", "name", "step", "value", "time"]
    assert frame.value.tolist() == [0.5, 0.25] and frame.step.tolist() == [0, 1]
    assert world.azml(f"runs --experiment {experiment} --metrics")["metric.loss"].tolist() == [0.25]


def test_row_13_delete_a_model_a_compute_and_a_workspace(world: World, tmp_path):
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps([1, 2]))
    model = world.azml(f"model register {fresh('m')} --file '{file}'")
    assert model.version[0] == 1
    fetched = world.azml(f"model download {model.id[0]} --to '{tmp_path / 'got'}'")
    assert fetched["size"].tolist() == [file.stat().st_size]
    world.azml(f"model delete {model.id[0]}")
    with pytest.raises(NotFoundError, match="404"):
        world.azml(f"model show {model.id[0]}")
    compute = fresh("cpu-")
    world.azml(f"compute create {compute}")
    assert world.azml(f"compute delete {compute}").state[0] == "Deleted"
    assert compute not in set(world.azml("computes").name)
    workspace = created_workspace(world)
    assert world.azml(f"workspace delete {workspace}").state[0] == "Deleted"
    assert workspace not in set(world.azml("workspaces").name)


def created_workspace(world: World) -> str:
    """A new workspace's name."""
    name = fresh("ws-")
    frame = world.azml(
        f"workspace create {name} --storage-account emulatorstorage --key-vault emulatorvault "
        "--app-insights emulatorinsights --registry emulatorregistry"
    )
    assert (frame.name[0], frame.state[0]) == (name, "Succeeded")
    return name


def test_row_14_score_with_a_key(world: World, tmp_path):
    file = tmp_path / "model.txt"
    file.write_text("10")
    model = world.azml(f"model register {fresh('m')} --file '{file}'").id[0]
    script = tmp_path / "score.py"
    script.write_text(
        textwrap.dedent("""
        import json, os, pathlib

        def init():
            global offset
            offset = int(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.txt")).read_text())

        def run(data):
            return {"result": [sum(row) + offset for row in json.loads(data)["data"]]}
        """)
    )
    name = fresh("svc")
    service = world.azml(f"service create {name} --model {model} --script '{script}'")
    assert (service.state[0], bool(service.auth[0])) == ("Healthy", True)
    assert world.azml(f"score {name}", cell='{"data": [[1, 2], [3, 4]]}').result.tolist() == [13, 17]
    assert world.azml(f"score {service.scoring_uri[0]} --data '[[1]]'").result.tolist() == [11]
    wrong = world.http.post(
        service.scoring_uri[0], json={"data": []}, headers={"Authorization": "Bearer no"}, timeout=10
    )
    assert wrong.status_code in (401, 403)
    world.azml(f"service delete {name}")
    assert name not in set(world.azml("services").name)


def test_row_15_workspace_create_tells_which_dependency_is_missing(world: World):
    created_workspace(world)
    with pytest.raises(OperationFailed, match="nosuchvault"):
        world.azml(
            f"workspace create {fresh('ws-')} --storage-account emulatorstorage --key-vault nosuchvault "
            "--app-insights emulatorinsights"
        )
    with pytest.raises(OperationFailed, match=r"(?i)admin"):
        world.azml(
            f"workspace create {fresh('ws-')} --storage-account emulatorstorage --key-vault emulatorvault "
            "--app-insights emulatorinsights --registry noadminregistry"
        )


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        ("rest GET /subscriptions", ServiceError, "MissingApiVersionParameter"),
        ("rest GET computes --query api-version=1999-01-01", ServiceError, "NoRegisteredProviderFound"),
        ("workspace show no-such-workspace", NotFoundError, "ResourceNotFound"),
        ("compute show no-such-compute", NotFoundError, ""),
        ("run show no-such-run", NotFoundError, ""),
        ("experiment show no-such-experiment", NotFoundError, ""),
        ("model show nosuchmodel:1", NotFoundError, "ModelNotFound"),
        ("compute create x1 --size Standard_Nope", ServiceError, ""),
    ],
)
def test_row_16_what_the_service_refuses_is_one_line_with_its_code(world: World, line, kind, code):
    with pytest.raises(kind) as caught:
        world.azml(line)
    assert code in caught.value.code
    (shown,) = caught.value._render_traceback_()
    assert "\n" not in shown and str(caught.value.status) in shown


def test_row_16_no_token_and_a_broken_one(world: World):
    url = f"{ARM}/subscriptions?api-version=2022-12-01"
    assert world.http.get(url, timeout=10).json()["error"]["code"] == "AuthenticationFailed"
    answer = world.http.get(url, headers={"Authorization": "Bearer nonsense"}, timeout=10)
    assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)
    bare = world.http.get(f"{API}/history/v1.0{world.workspace}/experiments", timeout=10)
    assert (bare.status_code, bare.json()["error"]["message"]) == (401, "Bearer token not provided.")


def test_row_16_an_expired_token(in_process: World):
    assert in_process.service is not None
    token = in_process.service.identity.issue(f"{ARM}/", seconds=-10)
    url = f"{ARM}/subscriptions?api-version=2022-12-01"
    answer = in_process.http.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_row_16_an_unknown_workspace_at_the_data_plane(world: World):
    scope = world.state.scope
    path = (
        f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}/providers/Microsoft.MachineLearningServices"
    )
    with pytest.raises(NotFoundError):
        world.azml(f"rest GET history/v1.0{path}/workspaces/nowhere/experiments")


def test_row_16_a_provider_that_is_not_registered(world: World):
    unregistered = next(s for s in world.azml("subscriptions").subscription_id if s != world.state.scope.subscription)
    mine = world.state.scope
    world.azml(f"use --subscription {unregistered} --group unregistered-rg")
    try:
        with pytest.raises(ServiceError, match=r"(?i)register") as caught:
            world.azml("workspace create w1 --storage-account a --key-vault b --app-insights c --location emulator")
        assert caught.value.code == "MissingSubscriptionRegistration"
        assert "az provider register" in caught.value.hint
    finally:
        world.azml(f"use --subscription {mine.subscription} --group {mine.group}")


def test_a_run_that_raises_ends_failed_with_its_traceback_and_its_reason(world: World):
    run_id = submitted(world, "def train():\n    raise ValueError('no data today')\ntrain()")
    with pytest.raises(RunFailed, match="no data today"):
        world.azml(f"run wait {run_id}")
    log = world.azml(f"run logs {run_id}")
    assert "Traceback (most recent call last)" in log and "ValueError: no data today" in log
    details = world.azml(f"run details {run_id}")
    assert details.status[0] == "Failed" and "no data today" in details.error[0]


def test_a_run_past_its_time_is_ended(world: World):
    run_id = submitted(world, "import time\nprint('begun', flush=True)\ntime.sleep(600)", "--max-seconds 1")
    with pytest.raises(RunFailed):
        world.azml(f"run wait {run_id}")
    assert world.azml(f"run show {run_id}").status[0] in ("Failed", "Canceled")
    assert "MaxRunDurationSeconds" in str(world.azml(f"run details {run_id}").error[0])


def test_cancel_ends_the_whole_process_group(world: World, tmp_path):
    beat = tmp_path / "beat"
    child = f"""
import time, pathlib
while True:
    pathlib.Path({str(beat)!r}).write_text(str(time.time()))
    time.sleep(0.05)
"""
    script = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(600)"
    run_id = submitted(world, script)
    while not beat.exists():
        assert world.state.session.call("run.show", keys={"run": run_id})["status"] != "Failed"
    world.azml(f"run cancel {run_id}")
    assert world.ended(run_id)["status"] == "Canceled"
    last = beat.read_text()
    world.azml("computes")  # time enough for a beat that is still alive
    assert beat.read_text() == last


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Target": "nowhere"}, "nowhere"),
        ({"Script": "other.py"}, "other.py"),
        ({"NodeCount": 99}, "(?i)node"),
        ({"MaxRunDurationSeconds": 0}, "(?i)MaxRunDurationSeconds"),
    ],
)
def test_what_cannot_run_is_refused_with_the_services_envelope(world: World, tmp_path, change, said):
    archive = tmp_path / "train.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("hello.py", SCRIPT)
    configuration = {"Script": "hello.py", "Framework": "Python", "Target": world.facts["compute"], "NodeCount": 1}
    answer = world.http.post(
        f"{API}/execution/v1.0{world.workspace}/experiments/e/startrun?api-version=2019-11-01",
        files={
            "runDefinitionFile": ("definition.json", json.dumps({"Configuration": configuration | change})),
            "projectZipFile": ("train.zip", archive.read_bytes()),
        },
        headers={"Authorization": f"Bearer {world.state.session.token().token}"},
        timeout=10,
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "UserError")
    assert pytest.importorskip("re").search(said, error["message"])


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        ("submit no-such-file.py", None, "there is no"),
        ("submit", "   \n", "the cell is empty"),
        ("submit --conda missing.yml", SCRIPT, "cannot read missing.yml"),
        ("submit --node-count 0", SCRIPT, "at least 1"),
        ("submit --experiment 'not a name!'", SCRIPT, "is no experiment name"),
        ("score svc --data '{'", None, "not JSON"),
        ("model register m", None, "from a run or from a file"),
        ("rest FETCH /x", None, "no method"),
        ("submit --include nowhere.txt --compute c", SCRIPT, "nowhere.txt"),
    ],
)
def test_bad_input_is_one_clear_line_and_sends_nothing(in_process: World, line, cell, said):
    with pytest.raises(UsageError, match=said) as caught:
        in_process.azml(line, cell=cell)
    assert "\n" not in caught.value._render_traceback_()[0]


def test_no_workspace_chosen_says_what_to_type(in_process: World):
    in_process.state.settings.unset("workspace")
    with pytest.raises(UsageError, match="%azml use"):
        in_process.azml("runs")


def test_a_word_with_curl_is_shown_and_not_sent(world: World):
    name = fresh("never")
    shown = world.azml(f"experiment create {name} --curl")
    assert shown.startswith("curl") and "$AZML_TOKEN" in shown and name in shown
    with pytest.raises(NotFoundError):
        world.azml(f"experiment show {name}")


def test_an_expired_login_is_an_error_of_its_own(in_process: World):
    assert in_process.service is not None

    class Old:
        way = "old"

        def describe(self):
            return {}

        def get_token(self, audience, refresh=False):
            return AccessToken(in_process.service.identity.issue(f"{ARM}/", seconds=-10), 2**40)

    session = Session(Old(), by_name("AzureCloud"), in_process.state.scope, http=in_process.http)
    in_process.state.enter(session)
    with pytest.raises(AuthenticationError, match="%azml login"):
        in_process.azml("groups")


def test_what_the_service_sent_is_there_for_code_and_shows_no_secret(in_process: World, tmp_path):
    run_id = submitted(in_process)
    in_process.ended(run_id)
    details = in_process.azml(f"run details {run_id} --json")
    link = details["logFiles"]["user_logs/std_log.txt"]
    assert "sig=" in link
    assert link.partition("sig=")[2] not in f"{details!r} {details} {[details]}"
    keys = in_process.azml("workspace keys")
    assert keys["userStorageKey"]
    assert keys["userStorageKey"] not in f"{keys!r} {keys}"
    answered = in_process.azml("rest POST listKeys --query api-version=2019-11-01")
    assert answered["userStorageKey"] == keys["userStorageKey"]
    assert keys["userStorageKey"] not in repr(answered)


def test_row_16_a_registry_that_was_deleted_or_has_no_admin_access(in_process: World):
    scope = in_process.state.scope
    group = f"/subscriptions/{scope.subscription}/resourceGroups/{scope.group}"
    registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/emulatorregistry"
    version = "--query api-version=2019-05-01"
    assert in_process.azml(f"rest GET {registry} {version}")["properties"]["adminUserEnabled"] is True
    in_process.azml(f"rest DELETE {registry} {version}")
    with pytest.raises(RunFailed, match=r"does not exist any more.*az acr create --name emulatorregistry"):
        in_process.azml(f"run wait {submitted(in_process)}")
    in_process.azml(f"rest PUT {registry} {version}", cell='{"properties": {"adminUserEnabled": false}}')
    with pytest.raises(RunFailed, match=r"admin user.*az acr update --name emulatorregistry --admin-enabled true"):
        in_process.azml(f"run wait {submitted(in_process)}")
    in_process.azml(f"rest PUT {registry} {version}", cell='{"properties": {"adminUserEnabled": true}}')
    assert in_process.azml(f"run wait {submitted(in_process)}").status[0] == "Completed"


def test_row_16_a_workspace_that_was_moved_is_not_found_and_says_what_that_means(world: World):
    with pytest.raises(NotFoundError) as caught:
        world.azml("workspace show moved-away")
    assert "moved" in caught.value.hint


@pytest.mark.parametrize(
    "definition",
    [
        '{"Configuration": {"Script": "hello.py", "Target": "local", "JobName": "\\ud800"}}',
        '{"Configuration": {"Script": "hello.py", "Target": "local", "Odd": NaN}}',
        '{"Configuration": {"Script": "hello.py", "Target": "local", "Deep": ' + "[" * 900 + "]" * 900 + "}}",
        '{"Configuration": ' + "9" * 5000 + "}",
        "[" * 100_000,
        "\x00",
    ],
    ids=["surrogate", "nan", "deep", "huge", "endless", "nul"],
)
def test_a_definition_that_no_document_can_hold_is_refused_or_taken_but_never_breaks(in_process: World, definition):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("hello.py", SCRIPT)
    answer = in_process.http.post(
        f"{API}/execution/v1.0{in_process.workspace}/experiments/e/startrun",
        files={"runDefinitionFile": ("d.json", definition), "projectZipFile": ("p.zip", archive.getvalue())},
        headers={"Authorization": f"Bearer {in_process.state.session.token().token}"},
        timeout=10,
    )
    assert answer.status_code in (200, 400)
    assert "EmulatorBug" not in answer.text
