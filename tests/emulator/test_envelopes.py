from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from azml_magics.emulator.envelopes import Trace, component, render
from azml_magics.emulator.service import Fault

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ID = "01234567-89ab-cdef-0123-456789abcdef"
TIME = "2026-01-02T03:04:05.0000000+00:00"
CORRELATION = {"operation": "0123456789abcdef0123456789abcdef", "request": "0123456789abcdef"}
MISSING = Fault(404, "UserError", "Run r was not found", inner="NotFoundError")


def trace(kind, path):
    return Trace(kind, path, TIME, ID)


def body_of(fault, kind, path=""):
    return json.loads(render(fault, trace(kind, path)).content)


def test_the_gateways_errors_are_compact_and_say_whose_they_are():
    error = render(Fault(404, "ResourceNotFound", "gone"), trace("arm", WORKSPACE))
    assert error.content == b'{"error":{"code":"ResourceNotFound","message":"gone"}}'
    assert error.headers == {"x-ms-failure-cause": "gateway"}
    assert (error.status, error.media_type) == (404, "application/json; charset=utf-8")


def test_a_fault_brings_its_headers():
    fault = Fault(401, "AuthenticationFailed", "no", headers={"WWW-Authenticate": "Bearer"})
    assert render(fault, trace("arm", "/subscriptions")).headers["WWW-Authenticate"] == "Bearer"


def test_the_data_planes_envelope_has_every_key_and_is_indented():
    error = render(MISSING, trace("data", f"/history/v1.0{WORKSPACE}/runs/r"))
    assert error.content.startswith(b'{\n  "error": {\n    "code": "UserError",')
    assert error.headers == {"x-ms-response-type": "error"}
    assert json.loads(error.content) == {
        "error": {
            "code": "UserError",
            "severity": None,
            "message": "Run r was not found",
            "messageFormat": None,
            "messageParameters": None,
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": [],
            "innerError": {"code": "NotFoundError", "innerError": None},
            "debugInfo": None,
            "additionalInfo": None,
        },
        "correlation": CORRELATION,
        "environment": "emulator",
        "location": "emulator",
        "time": TIME,
        "componentName": "run-history",
    }


def test_no_inner_code_is_null():
    assert body_of(Fault(400, "UserError", "no"), "data", "/history/v1.0")["error"]["innerError"] is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/history/v1.0/x", "run-history"),
        ("/Execution/v1.0/x", "execution"),
        ("/datastore/v1.0/x", "data-store"),
        ("/artifact/v2.0/x", "artifact"),
        ("/rp/workspaces/x", "machinelearningcompute"),
        ("/", "api"),
    ],
)
def test_the_component_follows_from_the_path(path, name):
    assert component(path) == name


def test_model_management_repeats_the_status_in_the_body():
    fault = Fault(404, "ModelNotFound", "no such model", details=[{"code": "x", "message": "y"}])
    assert body_of(fault, "data", f"/modelmanagement/v1.0{WORKSPACE}/models/m") == {
        "code": "ModelNotFound",
        "statusCode": 404,
        "message": "no such model",
        "details": [{"code": "x", "message": "y"}],
        "correlation": {"RequestId": ID},
    }


def test_a_sweeps_code_is_a_number():
    assert body_of(MISSING, "data", "/hyperdrive/v1.0/x") == {"code": 404, "message": "Run r was not found"}


@pytest.mark.parametrize(
    ("fault", "code", "outer"),
    [
        (MISSING, "RESOURCE_DOES_NOT_EXIST", "UserError"),
        (Fault(400, "INVALID_STATE", "no"), "INVALID_STATE", "UserError"),
        (Fault(400, "UserError", "no"), "INVALID_PARAMETER_VALUE", "UserError"),
    ],
)
def test_mlflow_finds_its_own_code_beside_the_envelope(fault, code, outer):
    body = body_of(fault, "data", "/mlflow/v2.0/x")
    assert (body["error_code"], body["message"]) == (code, fault.message)
    assert (body["error"]["code"], body["componentName"]) == (outer, "mlflow")


def test_the_compute_provider_answers_through_arm_with_the_data_planes_envelope():
    error = render(Fault(400, "UserError", "no"), trace("arm", f"{WORKSPACE}/computes/c"))
    body = json.loads(error.content)
    assert body["componentName"] == "machinelearningcompute"
    assert error.headers == {"x-ms-response-type": "error"}


def test_other_providers_behind_arm_fold_the_envelope_into_typed_facts():
    body = body_of(MISSING, "arm", f"{WORKSPACE}/jobs/j")
    facts = {fact["type"]: fact["info"]["value"] for fact in body["error"]["additionalInfo"]}
    assert facts == {
        "ComponentName": "managementfrontend",
        "Correlation": CORRELATION,
        "Environment": "emulator",
        "Location": "emulator",
        "Time": TIME,
        "InnerError": {"code": "NotFoundError", "innerError": None},
    }


def test_the_identity_platform_names_a_number():
    body = body_of(Fault(401, "invalid_client", "Invalid secret.", inner="AADSTS7000215"), "login")
    assert body["error"] == "invalid_client"
    assert body["error_codes"] == [7000215]
    assert body["error_description"].startswith("AADSTS7000215: Invalid secret. Trace ID: ")
    assert (body["trace_id"], body["timestamp"]) == (ID, "2026-01-02 03:04:05Z")


def test_storage_answers_xml_and_repeats_the_code_in_a_header():
    error = render(Fault(404, "BlobNotFound", "a <b> & c"), trace("blob", "/c/p"))
    root = ElementTree.fromstring(error.content)
    assert root.findtext("Code") == "BlobNotFound"
    assert root.findtext("Message").splitlines()[:2] == ["a <b> & c", f"RequestId:{ID}"]
    assert error.headers == {"x-ms-error-code": "BlobNotFound"}
    assert error.media_type == "application/xml"


def test_a_scoring_host_says_its_code():
    assert body_of(Fault(404, "NotFound", "no"), "scoring")["error"] == {"code": "NotFound", "message": "no"}
