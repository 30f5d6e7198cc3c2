"""Who the emulator is and whom it believes: its names and secrets, the tokens it signs, the links it signs.

One identity a data directory, so that no token, link or cached workspace id of another one is taken for ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from jwt.types import Options

from ..errors import AzmlError
from .files import write_private
from .service import REGION, Fault

ALGORITHM = "HS256"
#: Expiry and audience are judged here, in ARM's words, not by the library.
SIGNATURE_ONLY: Options = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "require": ["exp", "aud"],
}
STORAGE_VERSION = "2019-12-12"
#: How many tokens are remembered as checked; every request carries one, and a session carries the same for an hour.
REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Identity:
    """The emulator's directory, its one application, and the names of what it is born with."""

    tenant_id: str
    client_id: str
    object_id: str
    subscription_id: str
    workspace_id: str
    storage_account: str
    client_secret: str = field(repr=False)
    storage_key: str = field(repr=False)
    signing_key: str = field(repr=False)
    group: str = "emulator-rg"
    workspace: str = "emulator-ws"
    compute: str = "cpu-compute"
    region: str = REGION
    user_name: str = "Emulator User"
    _checked: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def load(cls, path: Path) -> Identity:
        """The identity kept in a file, or a new one that is kept there from now on."""
        if not path.exists():
            identity = cls.new()
            write_private(path, json.dumps(identity.document(), indent=2).encode())
            return identity
        try:
            return cls(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            # the cause is not shown: it may quote the file, and the file holds secrets
            raise AzmlError(f"{path} is not an emulator's identity", "azml emulator reset") from None

    @classmethod
    def new(cls) -> Identity:
        """An identity that nobody has seen yet."""
        ids = {
            name: str(uuid.uuid4())
            for name in ("tenant_id", "client_id", "object_id", "subscription_id", "workspace_id")
        }
        return cls(
            **ids,
            storage_account="emulator" + secrets.token_hex(6),
            client_secret="emulator-" + secrets.token_urlsafe(24),
            storage_key=base64.b64encode(secrets.token_bytes(64)).decode(),
            signing_key=secrets.token_urlsafe(48),
        )

    def document(self) -> dict[str, Any]:
        """What is kept of it: everything, secrets too."""
        return {k: v for k, v in asdict(self).items() if not k.startswith("_")}

    @property
    def issuer(self) -> str:
        """The issuer of the directory's tokens, v1 form, which is what ARM's tokens have."""
        return f"https://sts.windows.net/{self.tenant_id}/"

    def issue(self, audience: str, seconds: int = 3600, **claims: Any) -> str:
        """A token for an audience. `claims` are added; a token with `run` is a run's own."""
        moment = int(time.time())
        content = {
            "aud": audience,
            "iss": self.issuer,
            "iat": moment,
            "nbf": moment,
            "exp": moment + seconds,
            "appid": self.client_id,
            "appidacr": "1",
            "idp": self.issuer,
            "name": self.user_name,
            "oid": self.object_id,
            "sub": self.object_id,
            "tid": self.tenant_id,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
            **claims,
        }
        return jwt.encode(content, self.signing_key, ALGORITHM)

    def check(self, token: str) -> dict[str, Any]:
        """The claims of a token of this directory that has not expired; a 401 `Fault` for any other."""
        claims = self._checked.get(token)
        if claims is None:
            claims = self._decode(token)
            if len(self._checked) >= REMEMBERED:
                self._checked.clear()
            self._checked[token] = claims
        expires, moment = claims["exp"], time.time()
        if expires <= moment:
            text = f"The access token expiry UTC time '{_american(expires)}' is earlier than current UTC time"
            raise self.refusal(
                "ExpiredAuthenticationToken", f"{text} '{_american(moment)}'.", "The access token has expired."
            )
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, self.signing_key, [ALGORITHM], options=SIGNATURE_ONLY)
        except jwt.InvalidSignatureError:
            foreign = jwt.decode(token, options={**SIGNATURE_ONLY, "verify_signature": False})
            if foreign.get("tid") == self.tenant_id:
                raise self.refusal("InvalidAuthenticationToken", "The access token validation failure.") from None
            issuer = foreign.get("iss")
            text = f"The access token is from the wrong issuer '{issuer}'. It must match the tenant '{self.issuer}'"
            raise self.refusal(
                "InvalidAuthenticationTokenTenant", f"{text} associated with this subscription."
            ) from None
        except jwt.InvalidTokenError:
            raise self.refusal("InvalidAuthenticationToken", "The access token is invalid.") from None
        return dict(claims)

    def refusal(self, code: str, message: str, description: str = "") -> Fault:
        """A 401 with the challenge that tells a client where to sign in (service-facts 3.1)."""
        # what is quoted of a foreign token must not end the header's string
        words = re.sub(r'[^ -~]|"', "?", description or message)
        challenge = f'Bearer authorization_uri="https://login.windows.net/{self.tenant_id}", error="invalid_token"'
        return Fault(401, code, message, headers={"WWW-Authenticate": f'{challenge}, error_description="{words}"'})

    def sign_blob(self, container: str, path: str, permissions: str, expires: datetime) -> str:
        """The query of a signed link to a blob, or to a whole container when `path` is empty."""
        until = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"sv": STORAGE_VERSION, "se": until, "sr": "b" if path else "c", "sp": permissions}
        return urlencode({**query, "sig": self._signature(container, path, query)})

    def check_blob(self, container: str, path: str, query: Mapping[str, str], permission: str) -> None:
        """Pass when the query of a link was signed for this blob or its container, allows this, and is in time."""
        if "sig" not in query:
            # what an anonymous reader of a private container is told
            raise Fault(404, "ResourceNotFound", "The specified resource does not exist.")
        scope = path if query.get("sr") == "b" else ""
        if not hmac.compare_digest(self._signature(container, scope, query).encode(), query["sig"].encode()):
            raise _unsigned("Signature did not match.")
        if datetime.fromisoformat(query["se"]) <= datetime.now(UTC):
            raise _unsigned(f"Signature not valid in the specified time frame: Expiry [{query['se']}].")
        if permission not in query["sp"]:
            text = "This request is not authorized to perform this operation using this permission."
            raise Fault(403, "AuthorizationPermissionMismatch", text)

    def _signature(self, container: str, path: str, query: Mapping[str, str]) -> str:
        resource = f"/blob/{self.storage_account}/{container}/{path}".rstrip("/")
        text = "\n".join((resource, *(query.get(name, "") for name in ("sv", "se", "sr", "sp"))))
        key = base64.b64decode(self.storage_key)
        return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def _unsigned(detail: str) -> Fault:
    text = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
    return Fault(
        403,
        "AuthenticationFailed",
        f"{text} including the signature.",
        details=[{"code": "AuthenticationErrorDetail", "message": detail}],
    )


def _american(moment: float) -> str:
    """A time as ARM puts it into a text: US short date, no leading zeros (service-facts 3.1)."""
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when.month}/{when.day}/{when.year} {when.hour % 12 or 12}:{when:%M:%S} {when:%p}"
