"""Where data is kept, and what a run's interpreter has (v1): datastores and environments."""

from .schema import Column, Resource, data

DATASTORE = "/datastore/v1.0{ws}"
ENVIRONMENT = "/environment/v1.0{ws}/environments"

DATASTORES = Resource(
    noun="datastore",
    plural="datastores",
    summary="A storage that the workspace knows",
    operations=(
        data("list", "GET", DATASTORE + "/datastores", "List the datastores", paging="query-token"),
        data("show", "GET", DATASTORE + "/datastores/{name}", "Show one datastore"),
        data("default", "GET", DATASTORE + "/default", "Show the default datastore", word=False),
    ),
    columns=(
        Column("name", "name"),
        Column("type", "dataStoreType"),
        Column("account", "azureStorageSection.accountName|azureDataLakeSection.storeName"),
        Column("container", "azureStorageSection.containerName"),
        Column("default", "isDefault", "bool"),
    ),
)

ENVIRONMENTS = Resource(
    noun="environment",
    plural="environments",
    summary="The packages that a run or a service gets",
    operations=(
        data("list", "GET", ENVIRONMENT, "List the environments", paging="query-token"),
        data("show", "GET", ENVIRONMENT + "/{name}", "Show one environment"),
        data("create", "PUT", ENVIRONMENT + "/{name}", "Register an environment", body="json", word=False),
    ),
    columns=(
        Column("name", "name"),
        Column("version", "version"),
        Column("image", "docker.baseImage"),
    ),
)

RESOURCES = (DATASTORES, ENVIRONMENTS)
