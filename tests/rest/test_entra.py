"""rest/entra.py: MSAL's sign-ins against a sign-in service that is an adapter mounted on requests."""

import base64
import datetime
import hashlib
import io
import json
import threading
import urllib.parse
import urllib.request
import uuid
import webbrowser

import pytest
import requests
from requests.adapters import BaseAdapter

from azml_magics.errors import AuthenticationError, TransportError, UsageError
from azml_magics.rest.clouds import CLOUDS, from_metadata
from azml_magics.rest.entra import AZURE_CLI, Browser, DeviceCode, ServicePrincipal
from tests.rest.wire import jwt

PUBLIC = CLOUDS["AzureCloud"]
AUDIENCE = "https://management.azure.com"
SECRET = uuid.uuid4().hex


class Login(BaseAdapter):
    """Microsoft's sign-in service, as far as MSAL asks it. `answers` are given to token requests in turn."""

    def __init__(self, *answers, discovery=200):
        super().__init__()
        self.requests, self.answers, self.discovery, self.tokens = [], list(answers), discovery, 0

    def send(self, request, **ways):
        form = dict(urllib.parse.parse_qsl(request.body or ""))
        self.requests.append((request.method, request.url, form, dict(request.headers), ways))
        status, body, headers = self.answer(request, form)
        response = requests.Response()
        response.status_code, response.url, response.request = status, request.url, request
        response.headers.update({"Content-Type": "application/json", **headers})
        response.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        return response

    def answer(self, request, form):
        parts = urllib.parse.urlsplit(request.url)
        tenant = parts.path.split("/")[1]
        base = f"https://{parts.netloc}/{tenant}"
        if parts.path.endswith("/.well-known/openid-configuration"):
            if self.discovery != 200:
                return (
                    self.discovery,
                    {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found."},
                    {},
                )
            names = ("authorization", "token", "device_authorization")
            document = {f"{n}_endpoint": f"{base}/oauth2/v2.0/{n}" for n in names}
            return 200, document | {"issuer": f"{base}/v2.0"}, {}
        if parts.path.endswith("/device_authorization"):
            return 200, {"user_code": "ABCD-1234", "device_code": "dc", "verification_uri": "https://microsoft.com/devicelogin",
                         "expires_in": 900, "interval": 0}, {}  # fmt: skip
        if self.answers and (given := self.answers.pop(0)):
            return given
        self.tokens += 1
        body = {"token_type": "Bearer", "expires_in": 3599, "access_token": jwt(n=self.tokens, tid="tid-1")}
        if form["grant_type"] != "client_credentials":
            claims = {"preferred_username": "somebody@tenant.test", "tid": "tid-2", "sub": "s", "oid": "o", "iat": 1}
            claims |= {"iss": f"{base}/v2.0", "exp": 9999999999, "aud": form["client_id"]}
            claims |= {"nonce": getattr(self, "nonce", None)}
            info = base64.urlsafe_b64encode(json.dumps({"uid": "u", "utid": "ut"}).encode()).decode()
            body |= {
                "id_token": jwt(**claims),
                "client_info": info,
                "refresh_token": "rt",
                "scope": form.get("scope", ""),
            }
        return 200, body, {}

    def close(self):
        pass

    def session(self):
        http = requests.Session()
        http.mount("https://", self)
        http.mount("http://", self)
        return http

    @property
    def forms(self):
        return [form for method, url, form, *_ in self.requests if url.endswith("/token")]


def refused(code, status=401):
    return status, {"error": "invalid_client", "error_description": f"AADSTS{code}: no.", "error_codes": [code]}, {}


def principal(login, **more):
    return ServicePrincipal(PUBLIC, "tenant.test", "app-1", SECRET, http=login.session(), **more)


def test_a_service_principal_asks_as_msal_does_and_no_other_host():
    login = Login()
    token = principal(login).get_token(AUDIENCE)
    assert token.token == jwt(n=1, tid="tid-1")
    (form,) = login.forms
    assert form.items() >= {"client_id": "app-1", "client_secret": SECRET, "scope": f"{AUDIENCE}/.default"}.items()
    assert {urllib.parse.urlsplit(r[1]).netloc for r in login.requests} == {"login.microsoftonline.com"}
    assert len(login.requests) == 2


def test_the_token_is_kept_and_renewed_on_demand():
    login = Login()
    credential = principal(login)
    first = credential.get_token(AUDIENCE)
    assert credential.get_token(AUDIENCE) == first
    assert credential.get_token(AUDIENCE, refresh=True) != first
    assert len(login.forms) == 2
    assert credential.get_token("https://ml.azure.com") != first
    assert login.forms[-1]["scope"] == "https://ml.azure.com/.default"


def test_an_audience_with_a_slash_keeps_it():
    login = Login()
    principal(login).get_token("https://management.core.windows.net/")
    assert login.forms[0]["scope"] == "https://management.core.windows.net//.default"


def test_a_token_is_renewed_before_it_ends_although_msal_would_keep_it():
    login, now = Login(), [1_000_000_000.0]
    credential = principal(login, clock=lambda: now[0])
    assert credential.get_token(AUDIENCE).expires_on == 1_000_003_599
    now[0] += 3400
    credential.get_token(AUDIENCE)
    # MSAL's own clock has not moved: it still holds a token that is not good enough for ours.
    assert len(login.forms) == 2


def test_who_asks_is_told_and_no_secret_with_it():
    login = Login()
    credential = principal(login)
    credential.get_token(AUDIENCE)
    assert credential.describe() == {
        "way": "service-principal", "identity": "app-1", "tenant": "tid-1", "client": "app-1",
    }  # fmt: skip
    shown = repr(credential) + repr(credential.describe()) + repr(vars(credential))
    assert SECRET not in shown
    assert "tenant.test" in repr(credential)


def test_a_wrong_secret_is_explained():
    login = Login(refused(7000215))
    with pytest.raises(AuthenticationError) as caught:
        principal(login).get_token(AUDIENCE)
    assert caught.value.code == "AADSTS7000215"
    assert SECRET not in str(caught.value)


def test_an_unknown_tenant_is_explained():
    with pytest.raises(AuthenticationError) as caught:
        principal(Login(discovery=400)).get_token(AUDIENCE)
    assert (caught.value.code, caught.value.message) == (
        "AADSTS90002",
        "there is no tenant tenant.test in this cloud",
    )


@pytest.mark.parametrize("tenant", ["", "a/b", "a b", "../x", "https://evil", "a?b", "a#b", ".."])
def test_a_tenant_that_would_change_the_address_is_refused(tenant):
    with pytest.raises(UsageError, match="is no tenant"):
        ServicePrincipal(PUBLIC, tenant, "app-1", SECRET)


@pytest.mark.parametrize(
    "answer",
    [
        (503, {}, {}),
        (302, {}, {"Location": "https://evil.example/"}),
        (200, b"<html>sign in to this network first</html>", {}),
    ],
)
def test_a_broken_sign_in_service_is_no_refusal(answer):
    login = Login(answer)
    with pytest.raises(TransportError) as caught:
        principal(login).get_token(AUDIENCE)
    assert "login.microsoftonline.com" in str(caught.value)
    assert not [r for r in login.requests if "evil" in r[1]]


def test_it_goes_on_after_a_broken_answer():
    login = Login((503, {}, {}))
    credential = principal(login)
    with pytest.raises(TransportError):
        credential.get_token(AUDIENCE)
    assert credential.get_token(AUDIENCE).token


def test_no_connection_is_said_plainly():
    class Away(BaseAdapter):
        def send(self, request, **ways):
            raise requests.ConnectionError("Connection refused")

        def close(self):
            pass

    http = requests.Session()
    http.mount("https://", Away())
    with pytest.raises(TransportError, match=r"login\.microsoftonline\.com refuses the connection"):
        ServicePrincipal(PUBLIC, "tenant.test", "app-1", SECRET, http=http).get_token(AUDIENCE)


def test_time_outs_proxies_and_certificates_go_along(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://other:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/other.pem")
    login = Login()
    principal(login, proxies={"https": "http://127.0.0.1:9"}, verify="/ca.pem").get_token(AUDIENCE)
    ways = [r[4] for r in login.requests]
    assert [w["proxies"]["https"] for w in ways] == ["http://127.0.0.1:9"] * 2
    assert [w["verify"] for w in ways] == ["/ca.pem"] * 2
    assert all(w["timeout"] for w in ways)


def test_the_environments_proxy_and_certificates_are_the_default(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://other:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/other.pem")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    login = Login()
    principal(login).get_token(AUDIENCE)
    assert login.requests[0][4]["proxies"]["https"] == "http://other:1"
    assert login.requests[0][4]["verify"] == "/other.pem"


def test_what_netrc_says_is_not_sent(monkeypatch, tmp_path):
    path = tmp_path / "netrc"
    path.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(path))
    login = Login()
    principal(login).get_token(AUDIENCE)
    assert not [r for r in login.requests if "Authorization" in r[3]]


def test_a_cloud_out_of_metadata_is_signed_in_at_its_own_address():
    login = Login()
    document = {
        "name": "Local", "resourceManager": "https://localhost:8443",
        "authentication": {"loginEndpoint": "https://localhost:8443", "audiences": []},
    }  # fmt: skip
    cloud = from_metadata(document)
    ServicePrincipal(cloud, "t-1", "app-1", SECRET, http=login.session()).get_token(cloud.arm_audience)
    assert {urllib.parse.urlsplit(r[1]).netloc for r in login.requests} == {"localhost:8443"}


def test_a_certificate_proves_the_application(tmp_path):
    path = tmp_path / "app.pem"
    path.write_bytes(self_signed())
    login = Login()
    credential = ServicePrincipal(PUBLIC, "tenant.test", "app-1", certificate=path, http=login.session())
    credential.get_token(AUDIENCE)
    assert login.forms[0]["client_assertion_type"].endswith("jwt-bearer")
    assert "client_secret" not in login.forms[0]


def test_a_missing_certificate_is_named(tmp_path):
    for name in ("no.pem", "no.pfx"):
        credential = ServicePrincipal(PUBLIC, "t", "app-1", certificate=tmp_path / name, http=Login().session())
        with pytest.raises(UsageError, match=name):
            credential.get_token(AUDIENCE)


def self_signed():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    day = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + datetime.timedelta(9999))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_device_code_is_told_once_with_what_it_is_for():
    login, told = Login(), []
    credential = DeviceCode(PUBLIC, "tenant.test", tell=told.append, http=login.session())
    token = credential.get_token(AUDIENCE)
    (line,) = told
    for part in (
        "https://microsoft.com/devicelogin",
        "ABCD-1234",
        "15 minutes",
        "tenant.test",
        "Azure CLI",
        AUDIENCE,
    ):
        assert part in line
    assert token.token == jwt(n=1, tid="tid-1")
    assert credential.describe() == {
        "way": "device-code", "identity": "somebody@tenant.test", "tenant": "tid-2", "client": AZURE_CLI,
    }  # fmt: skip
    credential.get_token("https://ml.azure.com")
    credential.get_token(AUDIENCE, refresh=True)
    assert len(told) == 1
    assert [f["grant_type"] for f in login.forms[1:]] == ["refresh_token", "refresh_token"]


def test_a_blocked_device_code_is_explained():
    login = Login(refused(530035, 400))
    credential = DeviceCode(PUBLIC, tell=lambda line: None, http=login.session())
    with pytest.raises(AuthenticationError, match="security defaults"):
        credential.get_token(AUDIENCE)
    assert "organizations" in login.requests[0][1]


def test_a_revoked_sign_in_asks_nobody_again():
    login, told = Login(None, refused(50173, 400)), []
    credential = DeviceCode(PUBLIC, "tenant.test", tell=told.append, http=login.session())
    credential.get_token(AUDIENCE)
    with pytest.raises(AuthenticationError) as caught:
        credential.get_token(AUDIENCE, refresh=True)
    assert caught.value.code == "AADSTS50173"
    assert len(told) == 1


class Person(webbrowser.BaseBrowser):
    """A browser in which somebody signs in at once: the code comes back to the kernel as a form."""

    def __init__(self, login):
        super().__init__("person")
        self.login, self.opened = login, []

    def open(self, url, new=0, autoraise=True):
        self.opened.append(url)
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.login.nonce = asked.get("nonce")
        form = urllib.parse.urlencode({"code": "c", "state": asked["state"]}).encode()
        threading.Thread(target=self.come_back, args=(asked["redirect_uri"], form), daemon=True).start()
        return True

    def come_back(self, url, form):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, data=form, timeout=10) as answer:
            answer.read()


def test_a_browser_signs_a_person_in():
    login, told = Login(), []
    person = Person(login)
    webbrowser.register("person", None, person, preferred=True)
    credential = Browser(PUBLIC, "tenant.test", tell=told.append, http=login.session())
    assert credential.get_token(AUDIENCE).token == jwt(n=1, tid="tid-1")
    assert len(told) == len(person.opened) == 1
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(person.opened[0]).query))
    assert (asked["client_id"], asked["prompt"]) == (AZURE_CLI, "select_account")
    assert credential.describe()["identity"] == "somebody@tenant.test"
    proof = hashlib.sha256(login.forms[0]["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(proof).decode().rstrip("=")
