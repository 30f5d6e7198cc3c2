from __future__ import annotations

import os
from typing import Any, cast

import pytest
import requests

from azml_magics.emulator.app import create_app
from azml_magics.emulator.handlers.identity import HANDLERS
from azml_magics.emulator.identity import Identity
from azml_magics.emulator.service import Service
from azml_magics.emulator.store import Store
from tests.emulator.asgi import AsgiAdapter

LOGIN = "https://login.microsoftonline.com"
LOCAL = "https://127.0.0.1:8443"
ARM = "https://management.azure.com/"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder, absent = tmp_path_factory.mktemp("data"), cast(Any, None)
    store = Store(folder / "state.sqlite")
    yield Service(folder, Identity.new(), store, absent, absent, absent, absent, absent, absent)
    store.close()


@pytest.fixture(scope="module")
def http(service):
    app = create_app(service, HANDLERS)
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", AsgiAdapter(app))
        yield session
    app.close()


@pytest.fixture
def form(service):
    identity = service.identity
    return {
        "grant_type": "client_credentials",
        "client_id": identity.client_id,
        "client_secret": identity.client_secret,
    }


@pytest.fixture
def v1(service):
    return f"{LOGIN}/{service.identity.tenant_id}/oauth2/token"


@pytest.fixture
def v2(service):
    return f"{LOGIN}/{service.identity.tenant_id}/oauth2/v2.0/token"


def test_the_v1_form_answers_numbers_as_strings(http, service, form, v1):
    answer = http.post(v1, data={**form, "resource": ARM}).json()
    assert (answer["token_type"], answer["expires_in"], answer["ext_expires_in"]) == ("Bearer", "3599", "3599")
    assert answer["resource"] == ARM
    claims = service.identity.check(answer["access_token"])
    assert claims["aud"] == ARM
    assert answer["expires_on"] == str(claims["exp"])
    assert answer["not_before"] == str(claims["nbf"])


def test_the_v2_form_answers_numbers(http, form, v2):
    answer = http.post(v2, data={**form, "scope": f"{ARM}.default"}).json()
    assert answer.keys() == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert (answer["expires_in"], answer["ext_expires_in"]) == (3599, 3599)


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("https://management.azure.com/.default", "https://management.azure.com"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("https://management.core.windows.net//.default", "https://management.core.windows.net/"),
        ("https://ml.azure.com/.default", "https://ml.azure.com"),
        ("https://ml.azure.com/.default openid profile offline_access", "https://ml.azure.com"),
    ],
)
def test_the_audience_is_the_scope_without_its_end(http, service, form, v2, scope, audience):
    token = http.post(v2, data={**form, "scope": scope}).json()["access_token"]
    assert service.identity.check(token)["aud"] == audience


@pytest.mark.parametrize(
    ("change", "status", "error", "number"),
    [
        ({"client_secret": "emulator-wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": "é"}, 401, "invalid_client", 7000215),
        ({"client_id": "somebody"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"client_secret": ""}, 400, "invalid_request", 900144),
        ({"scope": ""}, 400, "invalid_request", 900144),
        ({"scope": "https://management.azure.com"}, 400, "invalid_scope", 1002012),
        ({"scope": "openid"}, 400, "invalid_scope", 1002012),
    ],
)
def test_who_may_not_sign_in_is_told_by_number(http, form, v2, change, status, error, number):
    answer = http.post(v2, data={"scope": f"{ARM}.default", **form, **change})
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert form["client_secret"] not in answer.text


@pytest.mark.parametrize("path", ["oauth2/token", "oauth2/v2.0/token"])
def test_an_unknown_tenant_is_refused(http, form, path):
    answer = http.post(f"{LOGIN}/nobody/{path}", data={**form, "resource": ARM, "scope": f"{ARM}.default"})
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


@pytest.mark.parametrize("base", [LOGIN, "https://login.windows.net", LOCAL])
def test_a_tenants_endpoints_are_on_the_host_that_was_asked(http, service, base):
    tenant = service.identity.tenant_id
    answer = http.get(f"{base}/{tenant}/v2.0/.well-known/openid-configuration").json()
    assert answer["issuer"] == f"{base}/{tenant}/v2.0"
    assert answer["token_endpoint"] == f"{base}/{tenant}/oauth2/v2.0/token"
    assert answer["authorization_endpoint"] == f"{base}/{tenant}/oauth2/v2.0/authorize"
    assert answer["device_authorization_endpoint"] == f"{base}/{tenant}/oauth2/v2.0/devicecode"


def test_shared_tenants_have_endpoints_and_no_application(http, form):
    answer = http.get(f"{LOGIN}/organizations/v2.0/.well-known/openid-configuration").json()
    assert answer["issuer"] == f"{LOGIN}/{{tenantid}}/v2.0"
    token = http.post(answer["token_endpoint"], data={**form, "scope": f"{ARM}.default"})
    assert token.json()["error_codes"] == [90002]
    assert http.get(f"{LOGIN}/nobody/v2.0/.well-known/openid-configuration").status_code == 400


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "127.0.0.1:8443"])
def test_an_authority_is_known_with_its_tenants_description(http, host):
    query = {"authorization_endpoint": f"https://{host}/t/oauth2/v2.0/authorize", "api-version": "1.1"}
    answer = http.get(f"{LOGIN}/common/discovery/instance", params=query).json()
    assert answer["tenant_discovery_endpoint"] == f"https://{host}/t/v2.0/.well-known/openid-configuration"
    assert answer["api-version"] == "1.1"
    assert "login.windows.net" in answer["metadata"][0]["aliases"]


@pytest.mark.parametrize(
    "endpoint", ["https://evil.org/t/oauth2/authorize", "http://login.windows.net/t", "", "https://["]
)
def test_another_authority_is_refused(http, endpoint):
    answer = http.get(f"{LOGIN}/common/discovery/instance", params={"authorization_endpoint": endpoint})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_instance")


def test_the_cloud_is_described_under_its_own_names(http):
    answer = http.get("https://management.azure.com/metadata/endpoints")
    (cloud,) = answer.json()
    assert (cloud["name"], cloud["resourceManager"]) == ("AzureCloud", "https://management.azure.com/")
    assert cloud["authentication"]["loginEndpoint"] == "https://login.microsoftonline.com/"
    assert cloud["suffixes"]["storage"] == "core.windows.net"
    assert cloud["portal"] == "https://portal.azure.com"
    assert "x-azml-emulator" not in answer.headers


def test_the_cloud_is_described_under_loopback_with_the_process_that_answers(http):
    answer = http.get(f"{LOCAL}/metadata/endpoints?api-version=2019-05-01")
    (cloud,) = answer.json()
    assert cloud["resourceManager"] == f"{LOCAL}/"
    assert cloud["authentication"]["loginEndpoint"] == f"{LOCAL}/"
    assert answer.headers["x-azml-emulator"] == str(os.getpid())


@pytest.mark.parametrize("path", ["/discovery", "/discovery/workspaces/some-id"])
def test_discovery_names_the_servers(http, path):
    required = {"api", "experimentation", "history", "hyperdrive", "modelmanagement", "studio"}
    named = http.get(f"https://emulator.api.azureml.ms{path}").json()
    assert required <= named.keys()
    assert named["api"] == "https://emulator.api.azureml.ms"
    assert named["history"] == "https://emulator.experiments.azureml.net"
    assert named["modelmanagement"] == "https://emulator.modelmanagement.azureml.net"
    local = http.get(f"{LOCAL}{path}").json()
    assert local.keys() == named.keys()
    assert set(local.values()) == {LOCAL}
