"""The ways to sign in: the Azure CLI's account here, the others gathered, and the chain that finds one that works.

A secret comes out of the environment, never off a line. Nothing here prints, prompts or opens a window unless
that way was asked for by name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AuthenticationError, AzmlError, UsageError
from .aadsts import refusal
from .entra import Browser, DeviceCode, ServicePrincipal
from .managed_identity import ManagedIdentity
from .redact import redact
from .tokens import AccessToken, Credential, KeptTokens, claims_of

if TYPE_CHECKING:
    from .clouds import Cloud

__all__ = [
    "WAYS",
    "AccessToken",
    "AzureCli",
    "Browser",
    "Credential",
    "DeviceCode",
    "ManagedIdentity",
    "ServicePrincipal",
    "chain",
    "credential_for",
]

#: The ways that ask nobody, in the order in which they are tried when no way was named.
CHAIN = ("service-principal", "azure-cli", "managed-identity")
WAYS = (*CHAIN, "browser", "device-code")


class AzureCli:
    """The account of `az login`. Asks the Azure CLI, without a shell, and waits `seconds` for it at most."""

    way = "azure-cli"

    def __init__(
        self,
        tenant: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        seconds: float = 30,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tenant, self._seconds, self._clock = tenant, seconds, clock
        self._environment = os.environ if environment is None else environment
        self._kept = KeptTokens(self._fetch, clock)
        self._claims: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"AzureCli(tenant={self.tenant!r})"

    def describe(self) -> dict[str, str]:
        """Who asks: way, identity, tenant and client, as far as the last token tells."""
        claims = self._claims
        identity = claims.get("upn") or claims.get("unique_name") or claims.get("appid") or ""
        tenant, client = claims.get("tid") or self.tenant, claims.get("appid") or ""
        return {"way": self.way, "identity": str(identity), "tenant": str(tenant), "client": str(client)}

    def get_token(self, audience: str, refresh: bool = False) -> AccessToken:
        """A token for the audience: the kept one while it is good, else what the Azure CLI gives."""
        return self._kept.get(audience, refresh)

    def _fetch(self, audience: str, refresh: bool) -> AccessToken:
        program = shutil.which("az", path=self._environment.get("PATH", ""))
        if program is None:
            raise _no_cli("the Azure CLI (az) is not installed", "https://aka.ms/installazurecli, then az login")
        words = [program, "account", "get-access-token", "--resource", audience, "--output", "json"]
        words += ["--tenant", self.tenant] if self.tenant else []
        code, output, errors = self._run(words)
        if code:
            raise self._refused(errors)
        try:
            document = json.loads(output)
            token = AccessToken(str(document["accessToken"]), _end(document))
        except (ValueError, KeyError, TypeError):
            raise _no_cli("the Azure CLI answered something that is no token", "az upgrade") from None
        self._claims = claims_of(token.token)
        return token

    def _run(self, words: list[str]) -> tuple[int, str, str]:
        """Exit code, output and errors. `az` is a script around Python: at the time limit both have to go."""
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(words[0]).parent,  # not the notebook's folder, where anything may lie that az would load
            env={**self._environment, "AZURE_CORE_NO_COLOR": "true", "AZURE_CORE_COLLECT_TELEMETRY": "false"},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(timeout=self._seconds)
            except BaseException as error:
                _end_group(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise _no_cli(
                        f"the Azure CLI did not answer within {self._seconds:g} s", "az account show"
                    ) from None
                raise
        return process.returncode, output, errors

    def _refused(self, errors: str) -> AuthenticationError:
        again = f"az login --tenant {self.tenant}" if self.tenant else "az login"
        if "AADSTS" in errors:
            return refusal(errors, tenant=self.tenant)
        if "az login" in errors or "az account set" in errors:
            where = f" to tenant {self.tenant}" if self.tenant else ""
            return _no_cli(f"the Azure CLI is not logged in{where}", f"{again}, then %azml login --azure-cli")
        lines = [line.removeprefix("ERROR:").strip() for line in errors.splitlines() if line.strip()]
        said = next((line for line in lines if not line.startswith("WARNING")), "no reason given")
        return _no_cli(f"the Azure CLI refuses: {redact(said)[:300]}", again)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Kill the process and what it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _no_cli(message: str, hint: str) -> AuthenticationError:
    return AuthenticationError(message, hint, status=401, code="AzureCli")


def _end(document: Mapping[str, Any]) -> int:
    """When the token ends: `expires_on` since Azure CLI 2.54, before that only a local time without its zone."""
    if "expires_on" in document:
        return int(document["expires_on"])
    return int(datetime.fromisoformat(document["expiresOn"]).astimezone().timestamp())


def credential_for(
    way: str,
    cloud: Cloud,
    *,
    tenant: str = "",
    tell: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    **ways: Any,
) -> Credential:
    """The credential of one way by its name; it has not been asked yet.

    `tell` is given the lines that a person has to see (a code to type); `ways` are `http`, `proxies` and `verify`
    for those that go over the network. UsageError when the way is unknown or lacks what it needs.
    """
    known = os.environ if environment is None else environment
    if way == "service-principal":
        return _service_principal(cloud, tenant, known, ways)
    if way == "azure-cli":
        return AzureCli(tenant, environment=known)
    if way == "managed-identity":
        return ManagedIdentity(environment=known)
    if way in ("browser", "device-code"):
        if tell is None:
            raise UsageError(f"{way} needs somebody to tell what to do", "az login, then %azml login --azure-cli")
        person = Browser if way == "browser" else DeviceCode
        return person(cloud, tenant or known.get("AZURE_TENANT_ID", ""), tell=tell, **ways)
    raise UsageError(f"there is no way to sign in called {way!r}", f"one of {', '.join(WAYS)}")


def _service_principal(cloud: Cloud, tenant: str, known: Mapping[str, str], ways: dict[str, Any]) -> Credential:
    tenant = tenant or known.get("AZURE_TENANT_ID", "")
    client, secret = known.get("AZURE_CLIENT_ID", ""), known.get("AZURE_CLIENT_SECRET", "")
    certificate = known.get("AZURE_CLIENT_CERTIFICATE_PATH", "")
    given = {
        "AZURE_TENANT_ID": tenant,
        "AZURE_CLIENT_ID": client,
        "AZURE_CLIENT_SECRET": secret or certificate,
    }
    if missing := [name for name, value in given.items() if not value]:
        are = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{', '.join(missing)} {are} not set", "set them, then %azml login --service-principal")
    path = Path(certificate).expanduser() if certificate and not secret else None
    passphrase = known.get("AZURE_CLIENT_CERTIFICATE_PASSWORD", "")
    return ServicePrincipal(cloud, tenant, client, secret, certificate=path, passphrase=passphrase, **ways)


def chain(
    cloud: Cloud,
    *,
    tenant: str = "",
    environment: Mapping[str, str] | None = None,
    **ways: Any,
) -> tuple[Credential, list[tuple[str, str]]]:
    """The first way that gives an ARM token, and for each one tried before it why it did not.

    AuthenticationError, with all the reasons, when none does.
    """
    tried: list[tuple[str, str]] = []
    for way in CHAIN:
        try:
            credential = credential_for(way, cloud, tenant=tenant, environment=environment, **ways)
            credential.get_token(cloud.arm_audience)
        except AzmlError as error:
            tried.append((way, error.message))
        else:
            return credential, tried
    reasons = "; ".join(f"{way}: {reason}" for way, reason in tried)
    raise AuthenticationError(
        f"no way to sign in works ({reasons})",
        "az login, then %azml login; or %azml login --browser; or, with no account, %azml login --local",
        status=401,
        code="NoCredential",
    )
