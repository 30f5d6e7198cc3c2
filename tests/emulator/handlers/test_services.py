from __future__ import annotations

import json
from typing import Any

import pytest

from azml_magics.emulator.service import Fault

ECHO = "import json\ndef init(): print('loaded')\ndef run(data): return {'got': json.loads(data)}\n"
#: What the official client reads of a service without asking whether it is there (wire-v1 11).
KEYS = [
    "id",
    "name",
    "description",
    "kvTags",
    "properties",
    "createdTime",
    "updatedTime",
    "computeType",
    "state",
    "error",
    "authEnabled",
    "sslEnabled",
    "appInsightsEnabled",
    "imageId",
    "imageDigest",
    "containerResourceRequirements",
    "location",
    "publicIp",
    "publicFqdn",
    "scoringUri",
    "cname",
    "models",
    "environmentImageRequest",
    "encryptionProperties",
    "vnetConfiguration",
    "modelConfigMap",
    "createdBy",
]


def show(serving: Any, name: str) -> Any:
    return serving.call("service.show", query={"expand": "true"}, service=name).body


def score(serving: Any, label: str, body: bytes = b"{}", key: str = "", way: str = "Bearer") -> Any:
    headers = {"authorization": f"{way} {key}"} if key else {}
    return serving.call("scoring.score", body, headers=headers, service=label)


def test_a_deployment_answers_202_and_where_to_ask(serving: Any) -> None:
    reply = serving.begin("digits", ECHO)
    assert reply.status == 202
    where = reply.headers["Operation-Location"]
    assert where.startswith("https://emulator.api.azureml.ms/ws/operations/")
    assert show(serving, "digits")["state"] in ("Transitioning", "Healthy")
    operation = serving.ended(reply)
    assert (operation["state"], operation["error"]) == ("Succeeded", None)
    assert operation["endTime"] >= operation["createdTime"]
    assert operation["resourceLocation"].endswith("/services/digits")


def test_a_healthy_service_has_every_key_and_its_address(serving: Any) -> None:
    model = serving.model()
    serving.deploy("digits", ECHO, models=(model["id"],), kvTags={"k": "v"}, authEnabled=True)
    service = show(serving, "digits")
    assert not set(KEYS) - set(service)
    assert service["state"] == "Healthy"
    assert service["scoringUri"] == "https://digits.emulator.azurecontainer.io/score"
    assert [m["id"] for m in service["models"]] == ["digits:1"]
    assert serving.call("service.show", service="digits").body["models"] == []


def test_a_service_answers_the_one_who_has_a_key(serving: Any) -> None:
    serving.deploy("digits", ECHO, authEnabled=True)
    keys = serving.call("service.keys", service="digits").body
    assert set(keys) == {"primaryKey", "secondaryKey"}
    for key in keys.values():
        reply = score(serving, "digits", b'{"data": [1]}', key)
        assert (reply.status, json.loads(reply.content)) == (200, {"got": {"data": [1]}})
    for key, way in (("", "Bearer"), ("wrong", "Bearer"), ("ä", "Bearer"), (keys["primaryKey"], "Basic")):
        reply = score(serving, "digits", b"{}", key, way)
        assert reply.status == 401
        assert keys["primaryKey"] not in reply.content.decode()
    listed = json.dumps([show(serving, "digits"), serving.call("service.list").body])
    assert not [key for key in keys.values() if key in listed]


def test_keys_may_be_given_and_authorization_left_out(serving: Any) -> None:
    serving.deploy("open", ECHO, keys={"primaryKey": "mine"})
    assert serving.call("service.keys", service="open").body["primaryKey"] == "mine"
    assert score(serving, "open").status == 200


def test_a_failing_init_fails_the_operation_and_says_why(serving: Any) -> None:
    operation = serving.deploy(
        "bad", "def init():\n    print('here')\n    raise ValueError('no model')\ndef run(d): ...\n"
    )
    assert operation["state"] == "Failed"
    assert operation["error"]["code"] == "AciDeploymentFailed"
    assert operation["error"]["details"][0]["code"] == "CrashLoopBackOff"
    assert "ValueError: no model" in operation["error"]["message"]
    service = show(serving, "bad")
    assert (service["state"], service["scoringUri"]) == ("Failed", None)
    logs = serving.call("service.logs", service="bad").body["content"]
    assert "here\n" in logs
    assert "ValueError: no model" in logs
    assert score(serving, "bad").status == 503


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("def init(: ...", "SyntaxError"),
        ("def init(): ...", "no function run"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_script_that_cannot_be_served_fails_the_operation(serving: Any, script: str, reason: str) -> None:
    assert reason in serving.deploy("bad", script)["error"]["message"]


def test_an_exception_in_run_is_a_502_with_its_text(serving: Any) -> None:
    script = "def init(): ...\ndef run(data):\n    return {'text': data, 'nan': {1}, 'none': None}[data]\n"
    serving.deploy("digits", script)
    failed = score(serving, "digits", b"other")
    assert (failed.status, failed.content, failed.media_type) == (502, b"'other'", "text/html; charset=utf-8")
    assert failed.headers["x-ms-run-function-failed"] == "True"
    assert score(serving, "digits", b"text").content == b'"text"'
    assert score(serving, "digits", b"none").content == b"{}"
    no_json = score(serving, "digits", b"nan")
    assert no_json.status == 500
    assert b"not JSON serializable" in no_json.content
    assert score(serving, "digits", b"\xff").status == 500
    assert "KeyError: 'other'" in serving.call("service.logs", service="digits").body["content"]


def test_logs_are_the_last_lines(serving: Any) -> None:
    serving.deploy("digits", "def init():\n    for n in range(9): print('line', n)\ndef run(d): ...\n")
    text = serving.call("service.logs", query={"tail": "2"}, service="digits").body["content"]
    assert text == "line 7\nline 8\n"


def test_a_name_is_taken_once(serving: Any) -> None:
    serving.deploy("digits", ECHO)
    for more in ({}, {"dnsNameLabel": "other-label"}):
        with pytest.raises(Fault) as caught:
            serving.begin("digits", ECHO, **more)
        fault = caught.value
        assert (fault.status, fault.code, fault.details[0]["code"]) == (409, "Conflict", "ServiceExists")
    with pytest.raises(Fault) as caught:
        serving.begin("another", ECHO, dnsNameLabel="digits")
    assert caught.value.status == 409


def test_overwriting_keeps_the_keys_and_changes_what_is_served(serving: Any) -> None:
    serving.deploy("digits", ECHO)
    keys = serving.call("service.keys", service="digits").body
    created = show(serving, "digits")["createdTime"]
    operation = serving.deploy(
        "digits", "def init(): ...\ndef run(d): return 2\n", overwrite=True, dnsNameLabel="new-label"
    )
    assert operation["state"] == "Succeeded"
    assert score(serving, "new-label").content == b"2"
    assert score(serving, "digits").status == 404
    assert serving.call("service.keys", service="digits").body == keys
    assert show(serving, "digits")["createdTime"] == created


def test_a_failed_overwrite_ends_what_was_served(serving: Any) -> None:
    serving.deploy("digits", ECHO)
    assert serving.deploy("digits", "1/0", overwrite=True)["state"] == "Failed"
    assert score(serving, "digits").status == 503


def test_a_deleted_service_is_gone_with_its_name_and_files(serving: Any) -> None:
    serving.deploy("digits", ECHO)
    folder = serving.service.deployments.folder(f"{serving.workspace_id}/digits")
    assert folder.exists()
    assert serving.call("service.delete", service="digits").status == 200
    assert serving.call("service.delete", service="digits").status == 204
    assert not folder.exists()
    assert score(serving, "digits").status == 404
    for verb in ("show", "keys", "logs"):
        with pytest.raises(Fault) as caught:
            serving.call(f"service.{verb}", service="digits")
        assert (caught.value.status, caught.value.code) == (404, "ServiceNotFound")
    assert serving.deploy("digits", ECHO)["state"] == "Succeeded"


def test_a_host_name_whose_service_went_with_its_workspace_is_free_again(serving: Any) -> None:
    serving.deploy("digits", ECHO)
    serving.service.store.delete("service", f"{serving.workspace_id}/digits")
    assert score(serving, "digits").status == 404
    assert serving.deploy("digits", ECHO)["state"] == "Succeeded"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Upper"},
        {"name": "ab"},
        {"name": "ends-"},
        {"name": "../../x"},
        {"dnsNameLabel": "a.b"},
        {"computeType": "AKS"},
        {"computeType": None},
        {"environmentImageRequest": None},
        {"keys": "text"},
        {"keys": {"primaryKey": 7}},
        {"containerResourceRequirements": 1},
        {"request": {"driverProgram": None}},
        {"request": {"modelIds": ["none:1"]}},
        {"request": {"assets": [{"url": "aml://asset/none"}]}},
        {"request": {"assets": ["x"]}},
        {"request": {"environmentReference": {"name": "none"}}},
        {"request": {"environment": {"environmentVariables": {"A=B": "1"}}}},
        {"request": {"environment": {"environmentVariables": ["A"]}}},
    ],
)
def test_a_request_that_cannot_be_deployed_is_refused_at_once(serving: Any, change: dict[str, Any]) -> None:
    with pytest.raises(Fault) as caught:
        serving.begin(**{"name": "digits", "script": ECHO, **change})
    assert caught.value.status == 400
    assert serving.call("service.list").body == {"value": []}


def test_a_driver_program_that_is_not_among_the_assets_fails_the_operation(serving: Any) -> None:
    operation = serving.deploy("digits", ECHO, request={"driverProgram": "other.py"})
    assert operation["state"] == "Failed"
    assert "other.py" in operation["error"]["message"]


def test_services_are_listed_by_model_tag_and_type_last_changed_first(serving: Any) -> None:
    model = serving.model("digits")["id"]
    serving.deploy("first", ECHO, models=(model,))
    serving.deploy("second", ECHO, kvTags={"k": "v"})

    def names(**query: str) -> list[str]:
        return [s["name"] for s in serving.call("service.list", query=query).body["value"]]

    assert names() == ["second", "first"]
    assert names(modelId="digits:1") == names(modelName="digits") == ["first"]
    assert names(tags="k=v") == ["second"]
    assert names(computeType="AKS") == []


def test_secrets_among_a_services_variables_are_not_shown_but_reach_the_script(serving: Any) -> None:
    script = "import os\ndef init(): ...\ndef run(d): return os.environ['API_KEY']\n"
    environment = {"name": "e", "environmentVariables": {"API_KEY": "hush-hush"}}
    serving.deploy("digits", script, request={"environment": environment})
    assert score(serving, "digits").content == b'"hush-hush"'
    assert "hush-hush" not in json.dumps(show(serving, "digits"))


def test_health_tells_a_service_that_is_up_without_a_key(serving: Any) -> None:
    serving.deploy("up-now", ECHO, authEnabled=True)
    serving.deploy("down-now", "1/0")
    assert serving.call("scoring.health", service="up-now").content == b"Healthy"
    assert serving.call("scoring.health", service="down-now").status == 503
    assert serving.call("scoring.health", service="nowhere").status == 404


def test_an_unknown_operation_is_not_found(serving: Any) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("service.operation", operation="none")
    assert caught.value.status == 404
