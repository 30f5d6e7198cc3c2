"""Run history and execution (v1): experiments, runs, what runs leave behind.

Paths and query names: the data-plane specification of 2019-09-30, the run-history specification of 2021 and
what the official clients ask for. The specification defines no api-version, so none is sent.
"""

from .schema import Column, Lifecycle, Resource, data

HISTORY = "/history/v1.0{ws}"
BY_NAME = HISTORY + "/experiments/{experiment}"
BY_ID = HISTORY + "/experimentids/{experiment_id}"
METRIC = "/metric/v2.0{ws}/runs/{run}"
ARTIFACT = "/artifact/v2.0{ws}/artifacts"

RUN_LIFECYCLE = Lifecycle(
    path="status",
    order=("NotStarted", "Preparing", "Queued", "Running", "Finalizing", "Completed"),
    succeeded=frozenset({"Completed"}),
    failed=frozenset({"Failed", "Canceled"}),
)

EXPERIMENTS = Resource(
    noun="experiment",
    plural="experiments",
    summary="A name that groups runs",
    key="experiment",
    operations=(
        data("list", "GET", HISTORY + "/experiments", "List the experiments of the workspace", paging="query-token"),
        data(
            "query",
            "POST",
            HISTORY + "/experiments:query",
            "List experiments by filter and order",
            body="json",
            paging="body-token",
            word=False,
        ),
        data("show", "GET", BY_NAME, "Show one experiment"),
        data("create", "POST", BY_NAME, "Create an experiment (or find it)"),
        data("show-by-id", "GET", BY_ID, "Show one experiment by its id", word=False),
        data("update", "PATCH", BY_ID, "Rename, tag or archive an experiment", body="json", word=False),
    ),
    columns=(
        Column("name", "name"),
        Column("experiment_id", "experimentId"),
        Column("created", "createdUtc", "time"),
        Column("archived", "archivedTime", "time"),
        Column("tags", "tags", "map"),
    ),
)

RUNS = Resource(
    noun="run",
    plural="runs",
    summary="One execution of a script, with its status, metrics, logs and outputs",
    key="run",
    lifecycle=RUN_LIFECYCLE,
    operations=(
        data(
            "list",
            "POST",
            BY_NAME + "/runs:query",
            "List the runs of an experiment, or of all",
            body="json",
            paging="body-token",
            also=(BY_ID + "/runs:query",),
        ),
        data(
            "list-by-get",
            "GET",
            BY_NAME + "/runs",
            "List the runs of an experiment, as the article's pattern has it",
            paging="query-token",
            word=False,
        ),
        data(
            "show",
            "GET",
            HISTORY + "/runs/{run}",
            "Show one run",
            also=(BY_NAME + "/runs/{run}", BY_ID + "/runs/{run}"),
        ),
        data(
            "details",
            "GET",
            HISTORY + "/runs/{run}/details",
            "Show a run's definition, error and log files",
            also=(BY_NAME + "/runs/{run}/details", BY_ID + "/runs/{run}/details"),
        ),
        data(
            "children",
            "GET",
            HISTORY + "/runs/{run}/children",
            "List the children of a run",
            paging="query-token",
            also=(BY_NAME + "/runs/{run}/children", BY_ID + "/runs/{run}/children"),
        ),
        data(
            "update",
            "PATCH",
            HISTORY + "/runs/{run}",
            "Create or change a run's record",
            body="json",
            also=(BY_NAME + "/runs/{run}", BY_ID + "/runs/{run}"),
            word=False,
        ),
        data(
            "start",
            "POST",
            "/execution/v1.0{ws}/experiments/{experiment}/startrun",
            "Start a run from a zip and a definition",
            body="multipart",
            word=False,
        ),
        data(
            "cancel",
            "POST",
            "/execution/v1.0{ws}/experiments/{experiment}/runId/{run}/cancel",
            "Ask a run to stop",
            also=(BY_NAME + "/runs/{run}/cancel", BY_ID + "/runs/{run}/cancel"),
        ),
        data("list-metrics", "POST", METRIC + "/list", "List the names of a run's metrics", body="json", word=False),
        data("read-metric", "POST", METRIC + "/full", "Read one metric of a run", body="json", word=False),
        data("write-metrics", "POST", METRIC + "/batch", "Log metrics to a run", body="json", word=False),
        data(
            "metrics",
            "POST",
            BY_NAME + "/metrics:query",
            "Show what a run logged, step by step",
            body="json",
            paging="body-token",
            answers="metric",
        ),
        data(
            "artifacts",
            "GET",
            BY_NAME + "/runs/{run}/artifacts",
            "List the files that a run left",
            paging="query-token",
            answers="artifact",
            also=(BY_ID + "/runs/{run}/artifacts",),
        ),
        data(
            "artifact-metadata",
            "GET",
            BY_NAME + "/runs/{run}/artifacts/metadata",
            "Show the record of a run's file, or of all",
            also=(BY_ID + "/runs/{run}/artifacts/metadata",),
            word=False,
        ),
    ),
    columns=(
        Column("run_id", "runId"),
        Column("experiment", "experimentName"),
        Column("display_name", "displayName|name"),
        Column("status", "status"),
        Column("created", "createdUtc|createdTimeUtc", "time"),
        Column("started", "startTimeUtc", "time"),
        Column("ended", "endTimeUtc", "time"),
        Column("duration", "startTimeUtc endTimeUtc", "elapsed"),
        Column("compute", "target"),
        Column("user", "createdBy.userName"),
        Column("run_type", "runType"),
        Column("parent_run_id", "parentRunId"),
        Column("tags", "tags", "map"),
    ),
)

ARTIFACTS = Resource(
    noun="artifact",
    plural="artifacts",
    summary="A file that a run left",
    key="path",
    operations=(
        data(
            "list",
            "GET",
            ARTIFACT + "/{origin}/{container}",
            "List the artifacts of a container",
            paging="query-token",
            word=False,
        ),
        data(
            "links",
            "GET",
            ARTIFACT + "/{origin}/{container}/prefix/contentinfo",
            "Links to every file under a path",
            paging="query-token",
            also=(ARTIFACT + "/prefix/contentinfo/{origin}/{container}/{path*}",),
            word=False,
        ),
        data(
            "link",
            "GET",
            ARTIFACT + "/{origin}/{container}/contentinfo",
            "A link to one file",
            also=(ARTIFACT + "/contentinfo/{origin}/{container}/{path*}",),
            word=False,
        ),
        data(
            "content",
            "GET",
            ARTIFACT + "/{origin}/{container}/content",
            "The content of one file",
            also=(ARTIFACT + "/content/{origin}/{container}/{path*}",),
            word=False,
        ),
        data(
            "metadata",
            "GET",
            ARTIFACT + "/{origin}/{container}/metadata",
            "The record of one file",
            also=(ARTIFACT + "/metadata/{origin}/{container}/{path*}",),
            word=False,
        ),
        data(
            "upload",
            "POST",
            ARTIFACT + "/{origin}/{container}/content",
            "Write the content of one file",
            body="bytes",
            also=(ARTIFACT + "/content/{origin}/{container}/{path*}",),
            word=False,
        ),
    ),
    columns=(Column("path", "path"), Column("created", "createdTime", "time"), Column("size", "size", "int")),
)

METRICS = Resource(
    noun="metric",
    plural="metrics",
    summary="One value that a run logged",
    operations=(),
    columns=(
        Column("run_id", "run_id"),
        Column("name", "name"),
        Column("step", "step", "int"),
        Column("value", "value", "float"),
        Column("time", "time", "time"),
    ),
)

RESOURCES = (EXPERIMENTS, RUNS, ARTIFACTS, METRICS)
