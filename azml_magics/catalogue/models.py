"""Model management (v1): registered models, the assets behind them, deployed services.

From the data-plane specification of 2019-09-30; an error of this family has no `error` object around it.
"""

from .schema import Column, Lifecycle, Resource, data

MANAGEMENT = "/modelmanagement/v1.0{ws}"

MODELS = Resource(
    noun="model",
    plural="models",
    summary="A registered model, by name and version",
    key="model",
    operations=(
        data("list", "GET", MANAGEMENT + "/models", "List the registered models", paging="next-link"),
        data("show", "GET", MANAGEMENT + "/models/{model}", "Show one model"),
        data("register", "POST", MANAGEMENT + "/models", "Register a model", body="json"),
        data("update", "PATCH", MANAGEMENT + "/models/{model}", "Change a model (JSON Patch)", body="json", word=False),
        data("delete", "DELETE", MANAGEMENT + "/models/{model}", "Delete a model"),
    ),
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version", "int"),
        Column("framework", "framework"),
        Column("created", "createdTime", "time"),
        Column("run_id", "runId"),
        Column("experiment", "experimentName"),
        Column("tags", "kvTags", "map"),
        Column("description", "description"),
    ),
)

ASSETS = Resource(
    noun="asset",
    plural="assets",
    summary="The artifacts that a model or a service is made of",
    key="asset",
    operations=(
        data("list", "GET", MANAGEMENT + "/assets", "List the assets", paging="next-link", word=False),
        data("show", "GET", MANAGEMENT + "/assets/{asset}", "Show one asset", word=False),
        data("create", "POST", MANAGEMENT + "/assets", "Create an asset from artifacts", body="json", word=False),
        data("delete", "DELETE", MANAGEMENT + "/assets/{asset}", "Delete an asset", word=False),
    ),
    columns=(Column("id", "id"), Column("name", "name"), Column("created", "createdTime", "time")),
)

SERVICES = Resource(
    noun="service",
    plural="services",
    summary="A model deployed behind a scoring URI",
    key="service",
    lifecycle=Lifecycle(
        path="state",
        order=("Transitioning", "Healthy"),
        succeeded=frozenset({"Healthy"}),
        failed=frozenset({"Failed", "Unhealthy", "Unschedulable"}),
    ),
    operations=(
        data(
            "list",
            "GET",
            MANAGEMENT + "/services",
            "List the deployed services",
            paging="next-link",
            query=(("expand", "true"),),
        ),
        data(
            "show",
            "GET",
            MANAGEMENT + "/services/{service}",
            "Show one service",
            query=(("expand", "true"),),
        ),
        data(
            "create",
            "POST",
            MANAGEMENT + "/services",
            "Deploy a model with a scoring script",
            body="json",
            long_running=True,
        ),
        data("delete", "DELETE", MANAGEMENT + "/services/{service}", "Delete a service"),
        data("keys", "POST", MANAGEMENT + "/services/{service}/listkeys", "Get a service's keys (shown hidden)"),
        data("logs", "GET", MANAGEMENT + "/services/{service}/logs", "Show what a service printed"),
        data("operation", "GET", MANAGEMENT + "/operations/{operation}", "Where a deployment stands", word=False),
    ),
    columns=(
        Column("name", "name"),
        Column("state", "state"),
        Column("type", "computeType"),
        Column("scoring_uri", "scoringUri"),
        Column("auth", "authEnabled", "bool"),
        Column("created", "createdTime", "time"),
        Column("tags", "kvTags", "map"),
    ),
)

RESOURCES = (MODELS, ASSETS, SERVICES)
