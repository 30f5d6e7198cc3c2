"""`run watch` where nothing is live: the log as it comes, then the run's text; and what the live view is given."""

from __future__ import annotations

from azml_magics.subcommands.schema import Context
from azml_magics.subcommands.watch import looker, studio_link
from tests.conftest import World
from tests.test_article import submitted


def test_without_a_live_surface_the_log_is_followed_to_the_end(in_process: World):
    run_id = submitted(in_process, "print('one', flush=True)\nprint('two')", "--name first --tag a=b")
    shown = in_process.azml(f"run watch {run_id}")
    assert "one" in "\n".join(in_process.surface.notes)
    assert "Completed" in shown
    assert "first" in shown
    assert "two" in shown


def test_the_view_is_given_the_run_as_the_service_tells_it(in_process: World):
    run_id = submitted(in_process, "raise ValueError('no data')", "--tag a=b")
    in_process.ended(run_id)
    values = [
        {
            "name": "loss",
            "columns": {"loss": "double"},
            "properties": {"uxMetricType": "azureml.v1.scalar"},
            "value": [{"metricId": str(n), "createdUtc": "2026-01-02T03:04:05Z", "step": n, "data": {"loss": v}}],
        }
        for n, v in enumerate([0.5, 0.25])
    ]
    in_process.state.session.call("run.write-metrics", keys={"run": run_id}, body={"values": values})
    snapshot = looker(Context(in_process.state, {}), run_id)()
    assert (snapshot.status, snapshot.compute, snapshot.tags) == ("Failed", "cpu-compute", {"a": "b"})
    assert "no data" in snapshot.reason
    assert "Traceback" in snapshot.log
    assert [(m.name, m.last, m.values) for m in snapshot.metrics] == [("loss", 0.25, 2)]
    assert snapshot.studio_url == ""


def test_the_studio_has_a_page_for_every_run_but_the_emulators(in_process: World):
    run = {"experimentId": "e-1", "runId": "r_1"}
    link = studio_link(run, in_process.state.scope, "westeurope")
    assert link.startswith("https://ml.azure.com/experiments/id/e-1/runs/r_1?wsid=/subscriptions/")
    assert studio_link(run, in_process.state.scope, "emulator") == ""
