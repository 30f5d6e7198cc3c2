"""rest/credentials.py: the Azure CLI's account, the ways by name, and the chain that finds one that works."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azml_magics.errors import AuthenticationError, AzmlError, UsageError
from azml_magics.rest import credentials
from azml_magics.rest.clouds import CLOUDS
from azml_magics.rest.credentials import AzureCli, chain, credential_for
from tests.rest.wire import jwt

PUBLIC = CLOUDS["AzureCloud"]
AUDIENCE = PUBLIC.arm_audience
TOKEN = jwt(tid="t-1", upn="somebody@tenant.test", appid="a-1")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the double of az is a POSIX script")


@pytest.fixture
def az(tmp_path):
    """Puts a double of the Azure CLI on a PATH of its own; returns the environment that has it."""

    def install(body):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "az"
        program.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{body}\n")
        program.chmod(0o755)
        return {"PATH": str(folder), "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}

    return install


def gives(document):
    return f"print(json.dumps({document!r}))"


def complains(text):
    return f"sys.stderr.write({text!r}); sys.exit(1)"


def test_the_cli_is_asked_for_json_without_a_shell(az, tmp_path):
    record = tmp_path / "asked.json"
    environment = az(
        f"json.dump([sys.argv[1:], sys.stdin.read(), os.getcwd()], open({str(record)!r}, 'w'))\n"
        + gives({"accessToken": TOKEN, "expires_on": 5000})
    )
    token = AzureCli("$(touch x); t", environment=environment).get_token(AUDIENCE)
    assert (token.token, token.expires_on) == (TOKEN, 5000)
    words, typed, folder = json.loads(record.read_text())
    assert words == [
        "account",
        "get-access-token",
        "--resource",
        AUDIENCE,
        "--output",
        "json",
        "--tenant",
        "$(touch x); t",
    ]
    assert typed == ""
    assert Path(folder) != Path.cwd()


def test_an_old_cli_tells_local_time(az):
    environment = az(gives({"accessToken": TOKEN, "expiresOn": "2030-01-01 00:00:00.000000"}))
    expected = time.mktime((2030, 1, 1, 0, 0, 0, 0, 1, -1))
    assert AzureCli(environment=environment).get_token(AUDIENCE).expires_on == int(expected)


def test_the_cli_is_asked_once_while_its_token_is_good(az, tmp_path):
    count = tmp_path / "count"
    environment = az(f"open({str(count)!r}, 'a').write('.')\n" + gives({"accessToken": TOKEN, "expires_on": 5000}))
    credential = AzureCli(environment=environment, clock=lambda: 1000.0)
    credential.get_token(AUDIENCE)
    credential.get_token(AUDIENCE)
    assert count.read_text() == "."
    credential.get_token(AUDIENCE, refresh=True)
    assert count.read_text() == ".."


def test_who_asks_is_read_off_the_token(az):
    credential = AzureCli(environment=az(gives({"accessToken": TOKEN, "expires_on": 5000})))
    assert credential.describe() == {"way": "azure-cli", "identity": "", "tenant": "", "client": ""}
    credential.get_token(AUDIENCE)
    assert credential.describe() == {
        "way": "azure-cli", "identity": "somebody@tenant.test", "tenant": "t-1", "client": "a-1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said", "hint"),
    [
        (complains("ERROR: Please run 'az login' to setup account.\n"), "not logged in to tenant t-9", "az login"),
        (complains("ERROR: AADSTS50076: use MFA. Trace ID: x\nInteractive authentication is needed: az login\n"),
         "tenant t-9 asks for multi-factor", "az login --tenant t-9"),
        (complains("WARNING: old\nERROR: client_secret=hunter2 is bad\n"),
         "refuses: client_secret=*** is bad", "az login --tenant t-9"),
        ("print('hello')", "no token", "az upgrade"),
        (gives(["x"]), "no token", "az upgrade"),
        (gives({"accessToken": TOKEN, "expiresOn": "soon"}), "no token", "az upgrade"),
        ("sys.exit(3)", "no reason given", "az login"),
    ],
)  # fmt: skip
def test_a_cli_that_gives_no_token_says_why(az, body, said, hint):
    with pytest.raises(AuthenticationError) as caught:
        AzureCli("t-9", environment=az(body)).get_token(AUDIENCE)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_cli_is_said(tmp_path):
    with pytest.raises(AuthenticationError, match="not installed") as caught:
        AzureCli(environment={"PATH": str(tmp_path)}).get_token(AUDIENCE)
    assert "installazurecli" in caught.value.hint


def test_a_cli_that_hangs_is_ended_with_what_it_started(az):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        child = f"import socket, time; s = socket.create_connection({listener.getsockname()}); time.sleep(60)"
        environment = az(f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])")
        started = time.monotonic()
        with pytest.raises(AuthenticationError, match="did not answer within 2 s"):
            AzureCli(environment=environment, seconds=2).get_token(AUDIENCE)
        assert time.monotonic() - started < 10
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b""  # it ends with the process that held it


PRINCIPAL = {"AZURE_TENANT_ID": "tenant.test", "AZURE_CLIENT_ID": "app-1", "AZURE_CLIENT_SECRET": "hunter2"}


def test_every_way_has_a_credential():
    for way in credentials.WAYS:
        credential = credential_for(way, PUBLIC, tell=print, environment=PRINCIPAL)
        assert credential.way == way
        assert "hunter2" not in repr(credential)
    with pytest.raises(UsageError, match="azure-clip"):
        credential_for("azure-clip", PUBLIC)


@pytest.mark.parametrize("missing", list(PRINCIPAL))
def test_what_a_service_principal_lacks_is_named(missing):
    environment = {name: value for name, value in PRINCIPAL.items() if name != missing}
    with pytest.raises(UsageError, match=f"^{missing} is not set"):
        credential_for("service-principal", PUBLIC, environment=environment)


def test_a_tenant_asked_for_wins_over_the_environments():
    assert (
        credential_for("service-principal", PUBLIC, tenant="t-2", environment=PRINCIPAL).describe()["tenant"] == "t-2"
    )
    assert credential_for("azure-cli", PUBLIC, tenant="t-2", environment=PRINCIPAL).describe()["tenant"] == "t-2"
    assert (
        credential_for("device-code", PUBLIC, tell=print, environment=PRINCIPAL).describe()["tenant"] == "tenant.test"
    )


def test_a_person_is_not_asked_where_nobody_can_be_told():
    with pytest.raises(UsageError, match="needs somebody"):
        credential_for("device-code", PUBLIC, environment={})


def test_a_certificate_stands_in_for_the_secret(tmp_path):
    environment = PRINCIPAL | {"AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "c.pem")}
    assert credential_for("service-principal", PUBLIC, environment=environment).way == "service-principal"


def test_the_chain_says_which_way_won_and_why_the_others_did_not(az):
    environment = az(gives({"accessToken": TOKEN, "expires_on": 5000}))
    credential, tried = chain(PUBLIC, environment=environment)
    assert credential.way == "azure-cli"
    assert tried == [
        ("service-principal", "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set"),
    ]


def test_the_chain_goes_on_after_a_refused_service_principal(az):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses connections
        proxy = f"http://127.0.0.1:{taken.getsockname()[1]}"
        environment = PRINCIPAL | az(gives({"accessToken": TOKEN, "expires_on": 5000}))
        credential, tried = chain(PUBLIC, environment=environment, proxies={"https": proxy})
    assert credential.way == "azure-cli"
    assert tried[0][0] == "service-principal"
    assert "login.microsoftonline.com" in tried[0][1]


def test_when_no_way_works_all_reasons_and_the_next_step_are_told(tmp_path):
    environment = {"PATH": str(tmp_path), "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
    with pytest.raises(AuthenticationError) as caught:
        chain(PUBLIC, environment=environment)
    reasons = caught.value.message.partition("(")[2].split("; ")
    assert [reason.partition(":")[0] for reason in reasons] == list(credentials.CHAIN)
    assert "not installed" in reasons[1]
    assert "\n" not in caught.value.message
    assert "%azml login --local" in caught.value.hint
    assert isinstance(caught.value, AzmlError)


def test_importing_it_loads_neither_msal_nor_requests():
    code = "import sys, azml_magics.rest.credentials; print(sorted({'msal', 'requests'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
