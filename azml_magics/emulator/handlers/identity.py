"""Sign-in and what comes before it: tokens, the endpoints of a tenant, the hosts of a cloud and of a workspace."""

from __future__ import annotations

import hmac
import os
import time
from typing import Any

from ..identity import Identity
from ..routes import (
    API_HOST,
    ARM_HOST,
    EXPERIMENTS_HOST,
    LOGIN_HOSTS,
    LOOPBACK,
    MARK,
    MODELS_HOST,
    STUDIO_HOST,
    host_name,
    netloc_of,
)
from ..service import Call, Fault, Handler, Reply, Service

LIFETIME = 3599
#: Tenants that stand for "whichever": they have endpoints, and no applications.
SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})


def create_token(service: Service, call: Call) -> Reply:
    """A token by client credentials and resource; all numbers are strings in this form (wire-v1 2.1)."""
    form: dict[str, str] = call.body
    _check_client(service.identity, call.keys["tenant"], form)
    audience = _required(form, "resource")
    moment = int(time.time())
    body = {
        "token_type": "Bearer",
        "expires_in": str(LIFETIME),
        "ext_expires_in": str(LIFETIME),
        "expires_on": str(moment + LIFETIME),
        "not_before": str(moment),
        "resource": audience,
        "access_token": service.identity.issue(audience, LIFETIME),
    }
    return Reply(body)


def create_token_v2(service: Service, call: Call) -> Reply:
    """A token by client credentials and scope, as MSAL asks; the numbers are numbers (wire-v1 2.1)."""
    form: dict[str, str] = call.body
    _check_client(service.identity, call.keys["tenant"], form)
    audience = _audience(_required(form, "scope"))
    body = {
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "ext_expires_in": LIFETIME,
        "access_token": service.identity.issue(audience, LIFETIME),
    }
    return Reply(body)


def _audience(scope: str) -> str:
    """The resource that a scope names. Of a double slash the first belongs to the resource (wire-v1 2.1)."""
    wanted = [word for word in scope.split() if word not in ("openid", "profile", "offline_access")]
    if len(wanted) != 1 or not wanted[0].endswith("/.default"):
        text = f"The provided value for the input parameter 'scope' is not valid: '{scope}' does not end in /.default."
        raise Fault(400, "invalid_scope", text, inner="AADSTS1002012")
    return wanted[0].removesuffix("/.default")


def _required(form: dict[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        text = f"The request body must contain the following parameter: '{name}'."
        raise Fault(400, "invalid_request", text, inner="AADSTS900144")
    return value


def _check_client(identity: Identity, tenant: str, form: dict[str, str]) -> None:
    """Pass when the form is the emulator's own application's, asking for itself."""
    _check_tenant(identity, tenant)
    grant = _required(form, "grant_type")
    if grant != "client_credentials":
        text = f"The app requested an unsupported grant type '{grant}'."
        raise Fault(400, "unsupported_grant_type", text, inner="AADSTS70003")
    client = _required(form, "client_id")
    if client.lower() != identity.client_id:
        text = f"Application with identifier '{client}' was not found in the directory '{identity.tenant_id}'."
        raise Fault(400, "unauthorized_client", text, inner="AADSTS700016")
    secret = _required(form, "client_secret")
    if not hmac.compare_digest(secret.encode(), identity.client_secret.encode()):
        text = f"Invalid client secret provided for app '{client}'."
        raise Fault(401, "invalid_client", text, inner="AADSTS7000215")


def _check_tenant(identity: Identity, tenant: str, also: frozenset[str] = frozenset()) -> None:
    if tenant.lower() != identity.tenant_id and tenant.lower() not in also:
        raise Fault(400, "invalid_request", f"Tenant '{tenant}' not found.", inner="AADSTS90002")


def show_configuration(service: Service, call: Call) -> Reply:
    """Where a tenant's endpoints are, on the host that was asked (wire-v1 2.1)."""
    tenant = call.keys["tenant"]
    _check_tenant(service.identity, tenant, SHARED_TENANTS)
    own = "{tenantid}" if tenant.lower() in SHARED_TENANTS else service.identity.tenant_id
    body = {
        "issuer": f"{call.base}/{own}/v2.0",
        "token_endpoint": f"{call.base}/{tenant}/oauth2/v2.0/token",
        "authorization_endpoint": f"{call.base}/{tenant}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{call.base}/{tenant}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{call.base}/{tenant}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "scopes_supported": ["openid", "profile", "offline_access"],
        "tenant_region_scope": "WW",
        "cloud_instance_name": "microsoftonline.com",
    }
    return Reply(body)


def show_instance(service: Service, call: Call) -> Reply:
    """Whether a host is an authority, and where the tenant of its endpoint is described."""
    endpoint = call.param("authorization_endpoint").lower()
    netloc = netloc_of(endpoint)
    tenant = endpoint.partition("://")[2].removeprefix(netloc).strip("/").partition("/")[0]
    if not endpoint.startswith("https:") or not tenant or host_name(netloc) not in (*LOGIN_HOSTS, *LOOPBACK):
        text = "The provided authority is not known to the emulator."
        raise Fault(400, "invalid_instance", text, inner="AADSTS50049")
    known = {"preferred_network": LOGIN_HOSTS[0], "preferred_cache": LOGIN_HOSTS[1], "aliases": list(LOGIN_HOSTS)}
    body = {
        "tenant_discovery_endpoint": f"https://{netloc}/{tenant}/v2.0/.well-known/openid-configuration",
        "api-version": call.param("api-version", "1.0"),
        "metadata": [known],
    }
    return Reply(body)


def show_metadata(service: Service, call: Call) -> Reply:
    """The one cloud there is, in the shape of 2019-05-01: under real host names or under loopback, as asked."""
    loopback = _is_loopback(call)
    arm = call.base if loopback else f"https://{ARM_HOST}"
    login = call.base if loopback else f"https://{LOGIN_HOSTS[0]}"
    cloud: dict[str, Any] = {
        "name": "AzureCloud",
        # clients derive Azure ML's own audience from this name (wire-v2 2.3)
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": f"{login}/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graph": "https://graph.windows.net/",
        "graphAudience": "https://graph.windows.net/",
        "resourceManager": f"{arm}/",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "acrLoginServer": "azurecr.io",
        },
    }
    return Reply([cloud], headers={MARK: str(os.getpid())} if loopback else {})


def show_discovery(service: Service, call: Call) -> Reply:
    """The servers of a workspace: six keys are required by the v1 SDK, Azure adds the rest (service-facts 8)."""
    if _is_loopback(call):
        return Reply(dict.fromkeys(DISCOVERY, call.base))
    return Reply({name: f"https://{host}" for name, host in DISCOVERY.items()})


DISCOVERY = {
    "api": API_HOST,
    "catalog": "catalog.cortanaanalytics.com",
    "experimentation": EXPERIMENTS_HOST,
    "gallery": "gallery.cortanaintelligence.com/project",
    "history": EXPERIMENTS_HOST,
    "hyperdrive": EXPERIMENTS_HOST,
    "labeling": EXPERIMENTS_HOST,
    "modelmanagement": MODELS_HOST,
    "pipelines": API_HOST,
    "studio": STUDIO_HOST,
}


def _is_loopback(call: Call) -> bool:
    return host_name(netloc_of(call.base)) in LOOPBACK


HANDLERS: dict[str, Handler] = {
    "token.create": create_token,
    "token.create-v2": create_token_v2,
    "token.configuration": show_configuration,
    "token.instance": show_instance,
    "cloud.metadata": show_metadata,
    "cloud.discovery": show_discovery,
}
EFFECTS: dict[str, Any] = {}
