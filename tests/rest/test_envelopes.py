"""Every recorded or quoted refusal of service-facts 3 becomes one line with its real code."""

import json

import pytest

from azml_magics import errors
from azml_magics.rest.envelopes import HINTS, LONGEST, read_error, read_scoring_error

CORRELATION = {"operation": "0123456789abcdef0123456789abcdef", "request": "0123456789abcdef"}


def gateway(code, message):
    return {"error": {"code": code, "message": message}}


def front_end(code, message, *, details=(), inner=None):
    additional = [
        {"type": "ComponentName", "info": {"value": "managementfrontend"}},
        {"type": "Correlation", "info": {"value": CORRELATION}},
    ]
    if inner:
        additional.append({"type": "InnerError", "info": {"value": inner}})
    return {"error": {"code": code, "message": message, "details": list(details), "additionalInfo": additional}}


def data_plane(code, message, *, inner=None, component="run-history"):
    error = {"code": code, "severity": None, "message": message, "details": [], "innerError": inner, "debugInfo": None}
    return {"error": error, "correlation": CORRELATION, "environment": "eastus", "componentName": component}


QUOTED = (
    "Service invocation failed!\r\nRequest: POST metastorefe.aether-westus/metastore\r\nStatus Code: 400 BadRequest\r\n"
    'Response Body: {"Error":{"Code":"BadRequest","Severity":null,"Message":"Module id 1 is not guid",'
    '"InnerError":null},"Correlation":{"operation":"x"},"statusCode":400}'
)
CUT = 'Service invocation failed!\r\nStatus Code: 404 NotFound\r\nResponse Body: {\n  "error": {\n    "code": "User'

SHAPES = {
    # (a) the ARM gateway
    "workspace not found": (404, gateway("ResourceNotFound", "The Resource 'x' was not found."), "ResourceNotFound"),
    "expired token": (
        401,
        gateway("ExpiredAuthenticationToken", "The access token expiry"),
        "ExpiredAuthenticationToken",
    ),
    "no permission": (403, gateway("AuthorizationFailed", "The client does not"), "AuthorizationFailed"),
    "no api-version": (400, gateway("MissingApiVersionParameter", "The api-version"), "MissingApiVersionParameter"),
    "bad gateway": (502, gateway("BadGatewayConnection", "The network"), "BadGatewayConnection"),
    "throttled": (429, gateway("ResourceRequestsThrottled", "Number of"), "ResourceRequestsThrottled"),
    # (b) the management front end
    "environment": (404, front_end("UserError", "No environment", inner={"code": "NotFoundError"}), "NotFoundError"),
    "component, nested twice": (
        404,
        front_end("UserError", "Not found", inner={"code": "NotFound", "innerError": {"code": "ComponentNotFound"}}),
        "ComponentNotFound",
    ),
    "model, in details": (
        404,
        front_end("UserError", "Not found.", details=[{"code": "ModelNotFound", "message": "Model m not found."}]),
        "ModelNotFound",
    ),
    "endpoint, in details": (
        404,
        front_end("NotFound", "Not found.", details=[{"code": "NoSuchEndpoint", "message": "No endpoint e"}]),
        "NoSuchEndpoint",
    ),
    "transient": (500, front_end("ServiceError", "InternalServerError"), "ServiceError"),
    "quoted inner answer": (400, front_end("UserError", QUOTED), "BadRequest"),
    # (c) the data plane
    "compute, through ARM": (400, data_plane("UserError", "Provided", component="machinelearningcompute"), "UserError"),
    "no bearer": (401, data_plane("UserError", "Bearer", inner={"code": "AuthorizationError"}), "AuthorizationError"),
    "nested twice": (
        404,
        data_plane("UserError", "x", inner={"code": "NotFoundError", "innerError": {"code": "RunNotFound"}}),
        "RunNotFound",
    ),
    # (d) modelmanagement, (e) hyperdrive, (f) API versioning
    "modelmanagement": (
        404,
        {"code": "ModelNotFound", "statusCode": 404, "message": "m", "details": []},
        "ModelNotFound",
    ),
    "modelmanagement, generic": (
        400,
        {
            "code": "BadRequest",
            "statusCode": 400,
            "message": "m",
            "details": [{"code": "ModelPathNotFound", "message": "p"}],
        },
        "ModelPathNotFound",
    ),
    "hyperdrive": (400, {"code": 400, "message": "bad space"}, "400"),
    "versioning": (
        400,
        {"error": {"code": "UnsupportedApiVersion", "message": "m", "innerError": None}},
        "UnsupportedApiVersion",
    ),
    # neighbours: sign-in, quotas without a code
    "sign-in": (401, {"error": "invalid_client", "error_description": "AADSTS7000215: no"}, "invalid_client"),
    "quota of a family": (400, {"error": {"message": "The specified subscription has"}}, "BadRequest"),
    "quota of endpoints": (400, {"message": "OutOfQuota: Not enough"}, "BadRequest"),
}
KINDS = {
    401: errors.AuthenticationError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    429: errors.ThrottledError,
}


@pytest.mark.parametrize(("status", "body", "code"), SHAPES.values(), ids=SHAPES.keys())
def test_the_real_code_is_dug_out_of_every_shape(status, body, code):
    error = read_error(status, {}, json.dumps(body, indent=2).encode())
    assert (error.status, error.code, error.raw) == (status, code, body)
    assert type(error) is KINDS.get(status, errors.ServiceError)
    assert error.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (front_end("UserError", QUOTED), "Module id 1 is not guid"),
        (front_end("UserError", CUT), "Service invocation failed! Status Code: 404 NotFound"),
        (SHAPES["model, in details"][1], "Model m not found."),
        (gateway("X", '"Can\'t delete deployment [d]"'), "Can't delete deployment [d]"),
        (gateway("X", "one\r\n\r\n  two\tthree"), "one two three"),
        (gateway("X", None), "the service gave no reason"),
        (gateway("X", ""), "the service gave no reason"),
        ({"detail": "odd"}, '{"detail": "odd"}'),
    ],
)
def test_the_message_is_one_readable_line(body, message):
    assert read_error(400, {}, json.dumps(body).encode()).message == message


def test_a_long_message_is_cut_and_kept_whole_beside_it():
    error = read_error(400, {}, json.dumps(gateway("X", "y" * 3000)).encode())
    assert len(error.message) == LONGEST
    assert error.message.endswith("…")
    assert error.raw["error"]["message"] == "y" * 3000


def test_a_message_holds_no_secret():
    link = "https://a.blob.core.windows.net/c/f?sv=1&sig=AbC%2Bdef%3D"
    error = read_error(400, {}, json.dumps(gateway("X", f"cannot read {link}")).encode())
    assert "AbC" not in str(error)
    assert "AbC" not in json.dumps(error.raw)


@pytest.mark.parametrize(
    ("body", "headers", "code", "message"),
    [
        (b"", {}, "NotFound", "the service gave no reason"),
        (b"null", {}, "NotFound", "the service gave no reason"),
        (b"[]", {}, "NotFound", "the service gave no reason"),
        (b'"text"', {}, "NotFound", "text"),
        (b"plain text\r\nof two lines", {}, "NotFound", "plain text of two lines"),
        (b"<html><title>Not\nhere</title><p>x</p></html>", {}, "NotFound", "Not here"),
        (b"<html></html>", {}, "NotFound", "the service gave no reason"),
        (b"\xff\xfe\x00", {}, "NotFound", None),
        (b"", {"x-ms-error-code": "BlobNotFound"}, "BlobNotFound", "the service gave no reason"),
        (
            '\ufeff<?xml version="1.0"?><Error><Code>BlobNotFound</Code><Message>Gone.\nId</Message></Error>'.encode(),
            {},
            "BlobNotFound",
            "Gone. Id",
        ),
        (b'{"error": {"code": {}, "message": []}}', {}, "NotFound", None),
        (b'{"error": [1]}', {}, "NotFound", None),
        (b'{"error": null, "details": 5}', {}, "NotFound", None),
    ],
)
def test_bodies_of_no_shape_still_give_one_line(body, headers, code, message):
    error = read_error(404, headers, body)
    assert error.code == code
    assert error.message
    assert "\n" not in error.message
    if message is not None:
        assert error.message == message


@pytest.mark.parametrize(
    ("headers", "body", "identifier"),
    [
        ({"x-ms-request-id": "r", "x-ms-correlation-request-id": "c"}, {}, "r"),
        ({"X-MS-Correlation-Request-Id": "c"}, {}, "c"),
        ({}, data_plane("UserError", "m"), CORRELATION["operation"]),
        ({}, front_end("UserError", "m"), CORRELATION["operation"]),
        ({}, {"code": "X", "correlation": {"RequestId": "q"}}, "q"),
        ({}, {"error": "x"}, ""),
        ({}, [], ""),
    ],
)
def test_the_id_that_support_asks_for_is_found(headers, body, identifier):
    assert read_error(500, headers, json.dumps(body).encode()).request_id == identifier


def test_a_token_of_another_tenant_names_the_tenant_that_is_wanted():
    tenant = "00000000-0000-0000-0000-000000000001"
    headers = {
        "WWW-Authenticate": f'Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token"'
    }
    body = json.dumps(gateway("InvalidAuthenticationTokenTenant", "wrong issuer")).encode()
    assert f"%azml login --tenant {tenant}" in read_error(401, headers, body).hint
    assert "--tenant TENANT" in read_error(401, {}, body).hint


NAMED = [
    "AuthorizationFailed",
    "AuthenticationFailed",
    "AuthenticationFailedInvalidHeader",
    "ExpiredAuthenticationToken",
    "InvalidAuthenticationToken",
    "InvalidAuthenticationTokenTenant",
    "InvalidAuthenticationTokenAudience",
    "ResourceNotFound",
    "ResourceGroupNotFound",
    "SubscriptionNotFound",
    "MissingApiVersionParameter",
    "NoRegisteredProviderFound",
    "InvalidApiVersionParameter",
    "MissingSubscriptionRegistration",
    "UnsupportedApiVersion",
    "TooManyRequests",
    "ResourceRequestsThrottled",
    "ModelNotFound",
    "NotFoundError",
]


@pytest.mark.parametrize("code", NAMED)
def test_a_code_that_users_meet_says_what_to_type_next(code):
    error = read_error(400, {}, json.dumps(gateway(code, "m")).encode())
    assert error.hint == HINTS[code]
    assert "{" not in error.hint


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_an_unknown_code_still_gets_the_hint_of_its_status(status):
    assert read_error(status, {}, json.dumps(gateway("Strange", "m")).encode()).hint


def test_a_refused_key_is_not_a_matter_of_the_login():
    error = read_scoring_error(401, {}, b"")
    assert isinstance(error, errors.AuthenticationError)
    assert "%azml service keys" in error.hint
    assert "logs" in read_scoring_error(500, {}, b"division by zero").hint
