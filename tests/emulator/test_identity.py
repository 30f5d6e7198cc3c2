from __future__ import annotations

import base64
import json
import re
import stat
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import jwt
import pytest

from azml_magics.emulator.identity import Identity
from azml_magics.emulator.service import Fault
from azml_magics.errors import AzmlError

ARM = "https://management.azure.com/"
SECRETS = ("client_secret", "storage_key", "signing_key")


@pytest.fixture(scope="module")
def identity():
    return Identity.new()


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(link))


def refusal(identity: Identity, token: str) -> Fault:
    with pytest.raises(Fault) as caught:
        identity.check(token)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith(
        f'Bearer authorization_uri="https://login.windows.net/{identity.tenant_id}", error="invalid_token", error_desc'
    )
    return caught.value


def test_an_identity_is_made_once_and_found_again(tmp_path):
    first = Identity.load(tmp_path / "identity.json")
    assert Identity.load(tmp_path / "identity.json") == first
    assert first.client_secret.startswith("emulator-")


def test_two_data_directories_share_no_id_and_no_secret():
    one, other = Identity.new().document(), Identity.new().document()
    shared = {name for name in one if one[name] == other[name]}
    assert shared == {"group", "workspace", "compute", "region", "user_name"}


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
def test_only_the_owner_may_read_the_file_of_secrets(tmp_path):
    Identity.load(tmp_path / "identity.json")
    assert stat.S_IMODE((tmp_path / "identity.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["identity.json"]


def test_no_secret_is_in_the_repr(identity):
    assert not any(getattr(identity, name) in repr(identity) for name in SECRETS)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tenant_id": "t-secret"}'])
def test_a_broken_file_is_refused_without_being_quoted_or_overwritten(tmp_path, text):
    path = tmp_path / "identity.json"
    path.write_text(text)
    with pytest.raises(AzmlError, match="not an emulator's identity") as caught:
        Identity.load(path)
    assert "t-secret" not in str(caught.value)
    assert path.read_text() == text


def test_a_token_carries_the_claims_that_clients_read(identity):
    claims = identity.check(identity.issue(ARM, 60, run="run-1"))
    assert claims["aud"] == ARM
    assert claims["run"] == "run-1"
    assert claims["tid"] == identity.tenant_id
    assert claims["appid"] == identity.client_id
    assert claims["exp"] - claims["iat"] == 60
    assert {"oid", "iss", "nbf"} <= claims.keys()


def test_an_expired_token_is_refused_in_arms_words_every_time(identity):
    token = identity.issue(ARM, -1)
    for _ in range(2):
        fault = refusal(identity, token)
        assert fault.code == "ExpiredAuthenticationToken"
        clock = r"'\d{1,2}/\d{1,2}/20\d\d \d{1,2}:\d\d:\d\d [AP]M'"
        pattern = f"The access token expiry UTC time {clock} is earlier than current UTC time {clock}\\."
        assert re.fullmatch(pattern, fault.message)
        assert fault.headers["WWW-Authenticate"].endswith('error_description="The access token has expired."')


def test_a_token_of_another_directory_is_refused_by_its_tenant(identity):
    fault = refusal(identity, Identity.new().issue(ARM))
    assert fault.code == "InvalidAuthenticationTokenTenant"
    assert identity.tenant_id in fault.message


def test_a_token_that_was_altered_is_refused(identity):
    head, body, signature = identity.issue(ARM, 60).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["exp"] += 10_000
    altered = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert refusal(identity, f"{head}.{altered}.{signature}").code == "InvalidAuthenticationToken"


def test_an_unsigned_token_is_refused(identity):
    token = jwt.encode({"aud": ARM, "exp": 2**31, "tid": identity.tenant_id}, None, "none")
    assert refusal(identity, token).code == "InvalidAuthenticationToken"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é"])
def test_what_is_no_token_is_refused(identity, token):
    assert refusal(identity, token).code == "InvalidAuthenticationToken"


def test_a_foreign_issuer_cannot_break_the_header(identity):
    token = jwt.encode({"aud": ARM, "exp": 2**31, "iss": 'x"\r\nSet-Cookie: é'}, "k" * 32, "HS256")
    challenge = refusal(identity, token).headers["WWW-Authenticate"]
    assert challenge.isascii()
    assert challenge.isprintable()
    assert challenge.count('"') == 6


def test_a_signed_link_allows_what_it_was_signed_for(identity):
    query = query_of(identity.sign_blob("azureml", "a/b c.txt", "rw", datetime.now(UTC) + timedelta(hours=1)))
    assert query.keys() == {"sv", "se", "sr", "sp", "sig"}
    identity.check_blob("azureml", "a/b c.txt", query, "r")
    identity.check_blob("azureml", "a/b c.txt", query, "w")


def test_a_link_to_a_container_reaches_what_is_in_it_and_no_other(identity):
    query = query_of(identity.sign_blob("azureml", "", "r", datetime.now(UTC) + timedelta(hours=1)))
    identity.check_blob("azureml", "any/file", query, "r")
    with pytest.raises(Fault):
        identity.check_blob("other", "any/file", query, "r")


@pytest.mark.parametrize(
    ("change", "path", "permission", "expected"),
    [
        ({}, "b.txt", "r", (403, "AuthenticationFailed")),
        ({"sp": "rw"}, "a.txt", "w", (403, "AuthenticationFailed")),
        ({"se": "2999-01-01T00:00:00Z"}, "a.txt", "r", (403, "AuthenticationFailed")),
        ({"sr": "c"}, "b.txt", "r", (403, "AuthenticationFailed")),
        ({"sig": "é"}, "a.txt", "r", (403, "AuthenticationFailed")),
        ({}, "a.txt", "w", (403, "AuthorizationPermissionMismatch")),
    ],
)
def test_a_link_that_was_not_signed_for_it_is_refused(identity, change, path, permission, expected):
    query = query_of(identity.sign_blob("azureml", "a.txt", "r", datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(Fault) as caught:
        identity.check_blob("azureml", path, {**query, **change}, permission)
    assert (caught.value.status, caught.value.code) == expected


def test_a_link_that_is_too_old_is_refused(identity):
    query = query_of(identity.sign_blob("azureml", "a.txt", "r", datetime.now(UTC) - timedelta(seconds=1)))
    with pytest.raises(Fault, match="failed to authenticate") as caught:
        identity.check_blob("azureml", "a.txt", query, "r")
    assert "Expiry" in caught.value.details[0]["message"]


def test_who_brings_no_signature_is_told_that_there_is_nothing(identity):
    with pytest.raises(Fault) as caught:
        identity.check_blob("azureml", "a.txt", {}, "r")
    assert (caught.value.status, caught.value.code) == (404, "ResourceNotFound")
