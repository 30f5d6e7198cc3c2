"""The article's curl commands, as a reader types them, against the emulator: `azml emulator exec -- bash`.

Only the braces are filled in and its mistakes mended: the header is `-H "Authorization: …"` (it has `-h` and
`Authentication`), `"keyVault"` has its opening quote, the definition file is called `definition.json`, a `curl` that stands
alone on its line is joined to the next, and a backslash-newline inside single quotes, which no shell joins, is taken out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azml_magics.emulator import instance
from tests.conftest import World

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

ML = "providers/Microsoft.MachineLearningServices"
WORKSPACE = "subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/" + ML + "/workspaces"

TOKEN = r"""
curl -X POST https://login.microsoftonline.com/{your-tenant-id}/oauth2/token \
-d "grant_type=client_credentials&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id={your-client-id}&client_secret={your-client-secret}" \

"""
GROUPS = r"""
curl https://management.azure.com/subscriptions/{your-subscription-id}/resourceGroups?api-version=2019-11-01 -H "Authorization:Bearer {your-access-token}"
"""
WORKSPACES = r"""
curl https://management.azure.com/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/?api-version=2019-11-01 \
-H "Authorization:Bearer {your-access-token}"
"""
EXPERIMENTS = r"""
curl https://{regional-api-server}/history/v1.0/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/\
providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/experiments?api-version=2019-11-01 \
-H "Authorization:Bearer {your-access-token}"
"""
MODELS = r"""
curl https://{regional-api-server}/modelmanagement/v1.0/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/\
providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/models?api-version=2019-11-01 \
-H "Authorization:Bearer {your-access-token}"
"""
COMPUTES = r"""
curl https://management.azure.com/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/\
providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/computes?api-version=2019-11-01 \
-H "Authorization:Bearer {your-access-token}"
"""
CREATE_COMPUTE = r"""
curl -X PUT \
  'https://management.azure.com/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/computes/{your-compute-name}?api-version=2019-11-01' \
  -H 'Authorization:Bearer {your-access-token}' \
  -H 'Content-Type: application/json' \
  -d '{
    "location": "{your-azure-location}",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {
            "vmSize": "Standard_D1",
            "vmPriority": "Dedicated",
            "scaleSettings": {
                "maxNodeCount": 1,
                "minNodeCount": 0,
                "nodeIdleTimeBeforeScaleDown": "PT30M"
            }
        }
    },
    "userAccountCredentials": {
        "adminUserName": "{adminUserName}",
        "adminUserPassword": "{adminUserPassword}"
    }
}'
"""
START_RUN = r"""
curl https://{regional-api-server}/execution/v1.0/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/experiments/{your-experiment-name}/startrun?api-version=2019-11-01 \
  -X POST \
  -H "Content-Type: multipart/form-data" \
  -H "Authorization:Bearer {your-access-token}" \
  -F projectZipFile=@train.zip \
  -F runDefinitionFile=@definition.json
"""
RUN = r"""
curl 'https://{regional-api-server}/history/v1.0/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/experiments/{your-experiment-names}/runs/{your-run-id}?api-version=2019-11-01' \
  -H 'Authorization:Bearer {your-access-token}'
"""
DELETE_MODEL = r"""
curl \
  -X DELETE \
'https://{regional-api-server}/modelmanagement/v1.0/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}/models/{your-model-id}?api-version=2019-11-01' \
  -H 'Authorization:Bearer {your-access-token}'
"""
SCORE = r"""
curl 'https://{scoring-uri}' \
 -H 'Authorization:Bearer {your-key}' \
 -H 'Content-Type: application/json' \
  -d '{ "data" : [ {model-specific-data-structure} ] }'
"""
CREATE_WORKSPACE = r"""
curl -X PUT \
  'https://management.azure.com/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.MachineLearningServices/workspaces/{your-new-workspace-name}?api-version=2019-11-01' \
  -H 'Authorization: Bearer {your-access-token}' \
  -H 'Content-Type: application/json' \
  -d '{
    "location": "{desired-region}",
    "properties": {
        "friendlyName" : "{your-workspace-friendly-name}",
        "description" : "{your-workspace-description}",
        "containerRegistry" : "/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.ContainerRegistry/registries/{your-registry-name}",
        "keyVault" : "/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.Keyvault/vaults/{your-keyvault-name}",
        "applicationInsights" : "subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.insights/components/{your-application-insights-name}",
        "storageAccount" : "/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}/providers/Microsoft.Storage/storageAccounts/{your-storage-account-name}"
    },
    "identity" : {
        "type" : "systemAssigned"
    }
}'
"""
DEFINITION = {
    "Configuration": {
        "Script": "hello.py",
        "Arguments": ["234"],
        "SourceDirectoryDataStore": None,
        "Framework": "Python",
        "Communicator": "None",
        "Target": "cpu-compute",
        "MaxRunDurationSeconds": 1200,
        "NodeCount": 1,
        "Environment": {
            "Python": {
                "InterpreterPath": "python",
                "UserManagedDependencies": False,
                "CondaDependencies": {
                    "name": "project_environment",
                    "dependencies": ["python=3.6.2", {"pip": ["azureml-defaults"]}],
                },
            },
            "Docker": {"BaseImage": "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04"},
        },
        "History": {"OutputCollection": True},
    }
}


class Reader:
    """Somebody who fills in the braces and pastes a command into a shell."""

    def __init__(self, data: Path, folder: Path) -> None:
        ready = instance.start_background(data)
        self._environment = instance.environment(ready)
        self._folder = folder
        self.braces = {
            "your-tenant-id": ready.tenant_id,
            "your-client-id": ready.client_id,
            "your-client-secret": ready.client_secret,
            "your-subscription-id": ready.subscription_id,
            "your-resource-group": ready.resource_group,
            "your-workspace-name": ready.workspace,
            "your-azure-location": ready.region,
            "desired-region": ready.region,
            "adminUserName": "somebody",
            "adminUserPassword": uuid.uuid4().hex,
        }
        self._data = data

    def paste(self, command: str, **braces: str) -> tuple[int, Any, str]:
        """The status, the body and the headers that the command is answered with."""
        for name, value in (self.braces | {k.replace("_", "-"): v for k, v in braces.items()}).items():
            command = command.replace("{" + name + "}", value)
        text = command.strip().removesuffix("\\").strip() + " -sS -D headers -w '\\n%{http_code}'"
        words = [
            sys.executable,
            "-m",
            "azml_magics",
            "emulator",
            "exec",
            "--data",
            str(self._data),
            "--",
            "bash",
            "-c",
            text,
        ]
        done = subprocess.run(words, cwd=self._folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        decoded = json.loads(body) if body.lstrip().startswith(("{", "[")) else body or None
        return int(status), decoded, (self._folder / "headers").read_text().lower()


@pytest.fixture
def reader(emulator_data: Path, tmp_path: Path) -> Iterator[Reader]:
    """A reader with a token."""
    found = Reader(emulator_data, tmp_path)
    status, body, _ = found.paste(TOKEN)
    assert status == 200
    found.braces |= {"your-access-token": body["access_token"], "regional-api-server": "emulator.api.azureml.ms"}
    return found


def test_the_token(reader: Reader):
    _, body, _ = reader.paste(TOKEN)
    assert (body["token_type"], body["resource"]) == ("Bearer", "https://management.azure.com/")


def test_the_resource_groups(reader: Reader):
    status, body, _ = reader.paste(GROUPS)
    assert (status, reader.braces["your-resource-group"] in [g["name"] for g in body["value"]]) == (200, True)


def test_the_workspaces_and_the_discovery_url(reader: Reader):
    status, body, _ = reader.paste(WORKSPACES)
    mine = next(w for w in body["value"] if w["name"] == reader.braces["your-workspace-name"])
    assert status == 200
    status, servers, _ = reader.paste(f"curl {mine['properties']['discoveryUrl']}")
    assert servers["api"] == "https://emulator.api.azureml.ms"


@pytest.mark.parametrize("command", [EXPERIMENTS, MODELS, COMPUTES], ids=["experiments", "models", "computes"])
def test_the_lists_of_a_workspace(reader: Reader, command: str):
    status, body, _ = reader.paste(command)
    assert (status, isinstance(body["value"], list)) == (200, True)


def test_a_compute_is_created(reader: Reader):
    status, body, headers = reader.paste(CREATE_COMPUTE, your_compute_name=f"c{uuid.uuid4().hex[:8]}")
    assert (status, body["properties"]["provisioningState"]) == (201, "Creating")
    assert "azure-asyncoperation: https://management.azure.com/" in headers
    assert reader.braces["adminUserPassword"] not in json.dumps(body)


def test_a_run_is_started_and_watched(reader: Reader, by_socket: World, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.writestr("hello.py", '# hello.py\n# Entry file for run\nprint("Hello, REST!")\n')
    (tmp_path / "definition.json").write_text(json.dumps(DEFINITION))
    status, body, _ = reader.paste(START_RUN, your_experiment_name="my-first-experiment")
    assert (status, list(body)) == (200, ["runId"])
    assert body["runId"].startswith("my-first-experiment_")
    by_socket.ended(body["runId"])
    status, run, _ = reader.paste(RUN, your_experiment_names="my-first-experiment", your_run_id=body["runId"])
    assert (status, run["status"], run["target"]) == (200, "Completed", "cpu-compute")
    log = by_socket.azml(f"run logs {body['runId']}")
    assert "Hello, REST!" in log
    assert "3.6.2" in log
    assert "azureml-defaults" in log


def test_a_model_is_deleted(reader: Reader, by_socket: World, tmp_path: Path):
    (tmp_path / "m.pkl").write_bytes(b"abc")
    model = by_socket.azml(f"model register curl --file '{tmp_path / 'm.pkl'}'").id[0]
    status, _, _ = reader.paste(DELETE_MODEL, your_model_id=model)
    assert status == 200
    assert model not in set(by_socket.azml("models").id)


def test_a_deployed_model_is_scored_with_its_key(reader: Reader, by_socket: World, tmp_path: Path):
    (tmp_path / "m.pkl").write_bytes(b"abc")
    (tmp_path / "score.py").write_text(
        "import json\ndef init(): pass\ndef run(data): return json.loads(data)['data']\n"
    )
    model = by_socket.azml(f"model register curl --file '{tmp_path / 'm.pkl'}'").id[0]
    service = by_socket.azml(f"service create curl1 --model {model} --script '{tmp_path / 'score.py'}'")
    key = by_socket.azml("service keys curl1")["primaryKey"]
    uri = str(service.scoring_uri[0]).removeprefix("https://")
    braces = {"scoring_uri": uri, "your_key": key, "model_specific_data_structure": "[1, 2]"}
    assert reader.paste(SCORE, **braces)[:2] == (200, [[1, 2]])
    assert reader.paste(SCORE, **braces | {"your_key": "wrong"})[0] in (401, 403)


def test_a_workspace_is_created(reader: Reader):
    status, body, headers = reader.paste(
        CREATE_WORKSPACE,
        your_new_workspace_name=f"w{uuid.uuid4().hex[:8]}",
        your_workspace_friendly_name="friendly",
        your_workspace_description="described",
        your_registry_name="emulatorregistry",
        your_keyvault_name="emulatorvault",
        your_application_insights_name="emulatorinsights",
        your_storage_account_name="emulatorstorage",
    )
    assert (status, body) == (202, None)
    location = next(row for row in headers.splitlines() if row.startswith("location: "))
    assert "workspaceoperationsstatus" in location
