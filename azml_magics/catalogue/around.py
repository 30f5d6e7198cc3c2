"""What stands around Azure ML and every call needs: sign-in, discovery, cloud metadata, operation status, blobs.

No words are made of these rows; the session and the emulator read them.
"""

from .schema import GROUP, ML, SUBSCRIPTION, Operation, Resource

STATUS = SUBSCRIPTION + ML + "/locations/{location}"

IDENTITY = Resource(
    noun="token",
    plural="tokens",
    summary="Sign-in: Microsoft's identity platform",
    operations=(
        Operation(
            "create",
            "POST",
            "/{tenant}/oauth2/token",
            "Get a token by client credentials and resource (v1 form)",
            host="login",
            body="form",
            anonymous=True,
            word=False,
        ),
        Operation(
            "create-v2",
            "POST",
            "/{tenant}/oauth2/v2.0/token",
            "Get a token by client credentials and scope (what MSAL asks)",
            host="login",
            body="form",
            anonymous=True,
            word=False,
        ),
        Operation(
            "configuration",
            "GET",
            "/{tenant}/v2.0/.well-known/openid-configuration",
            "Where a tenant's endpoints are",
            host="login",
            anonymous=True,
            word=False,
        ),
        Operation(
            "instance",
            "GET",
            "/common/discovery/instance",
            "Whether a host is an authority",
            host="login",
            anonymous=True,
            word=False,
        ),
    ),
)

CLOUD = Resource(
    noun="cloud",
    plural="clouds",
    summary="Where a cloud's and a workspace's servers are",
    operations=(
        Operation("metadata", "GET", "/metadata/endpoints", "The cloud's hosts", anonymous=True, word=False),
        Operation(
            "discovery",
            "GET",
            "/discovery",
            "The regional servers of a workspace",
            host="data",
            also=("/discovery/workspaces/{workspace_id}",),
            anonymous=True,
            word=False,
        ),
    ),
)

OPERATIONS = Resource(
    noun="operation",
    plural="operations",
    summary="A long operation that ARM goes on with",
    api_version="2019-11-01",
    operations=(
        Operation(
            "compute-status",
            "GET",
            STATUS + "/computeOperationsStatus/{operation}",
            "Where an operation on a compute stands",
            word=False,
        ),
        Operation(
            "workspace-status",
            "GET",
            STATUS + "/workspaceOperationsStatus/{operation}",
            "Where an operation on a workspace stands",
            word=False,
        ),
    ),
)

#: A storage account, a key vault, Application Insights, a container registry: what a workspace stands on.
NEIGHBOUR = GROUP + "/providers/{provider}/{kind}/{dependency}"
DEPENDENCIES = Resource(
    noun="dependency",
    plural="dependencies",
    summary="A resource that a workspace stands on",
    api_version="2019-05-01",
    key="dependency",
    operations=(
        Operation("show", "GET", NEIGHBOUR, "Show one dependency", word=False),
        Operation("create", "PUT", NEIGHBOUR, "Create or replace a dependency", body="json", word=False),
        Operation("delete", "DELETE", NEIGHBOUR, "Delete a dependency", word=False),
    ),
)

BLOBS = Resource(
    noun="blob",
    plural="blobs",
    summary="A file in the workspace's storage, reached by a signed link",
    key="path",
    operations=(
        Operation(
            "read",
            "GET",
            "/{container}/{path*}",
            "Read a blob or a part of it",
            host="blob",
            anonymous=True,
            word=False,
        ),
        Operation("head", "HEAD", "/{container}/{path*}", "A blob's size", host="blob", anonymous=True, word=False),
        Operation(
            "write",
            "PUT",
            "/{container}/{path*}",
            "Write a blob, a block or a block list",
            host="blob",
            body="bytes",
            anonymous=True,
            word=False,
        ),
    ),
)

SCORING = Resource(
    noun="scoring",
    plural="scorings",
    summary="A deployed service's own address",
    operations=(
        Operation(
            "score", "POST", "/score", "Score with a key", host="scoring", body="bytes", anonymous=True, word=False
        ),
        Operation("health", "GET", "/", "Whether the service answers", host="scoring", anonymous=True, word=False),
    ),
)

RESOURCES = (IDENTITY, CLOUD, OPERATIONS, DEPENDENCIES, BLOBS, SCORING)
