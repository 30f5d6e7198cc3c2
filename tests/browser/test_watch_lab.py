"""`%azml run watch` against the emulator, as a person sees it: a real run, from submit to its end."""

import os

import pytest
from playwright.sync_api import expect

from azml_magics.emulator import instance

SUBMIT = """\
%%azml_submit --experiment digits --compute cpu-compute --name "linear, 20 steps" -o run
import time
import mlflow

for step in range(20):
    accuracy = 0.93 - 0.4 * 0.7**step
    mlflow.log_metric("accuracy", accuracy, step=step)
    mlflow.log_metric("loss", 1 - accuracy, step=step)
    print(f"step {step}: accuracy {accuracy:.3f}", flush=True)
    time.sleep(0.3)
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    yield folder
    instance.stop(folder)


def test_a_real_run_is_watched_from_submit_to_completed(notebook, data):
    book = notebook(
        f"import os\nos.environ['AZML_DATA'] = {str(data)!r}\n%load_ext azml_magics\n%azml login --local;",
        SUBMIT,
        "%azml run watch {run} --interval 1",
    )
    book.run(0, 1, 2)
    view = book.cell(2)
    expect(view).to_contain_text("Running", timeout=20_000)
    expect(view).to_contain_text("step 15: accuracy", timeout=30_000)
    expect(view).to_contain_text("accuracy")
    if picture := os.environ.get("AZML_PICTURE"):
        book.page.set_viewport_size({"width": 1200, "height": 1200})  # the README's picture
        view.screenshot(path=picture)
    expect(view).to_contain_text("End of the log", timeout=30_000)  # the static twin's own words
    bundles = book.saved(2)
    assert all("application/vnd.jupyter.widget-view+json" not in bundle for bundle in bundles)
    assert any("step 19: accuracy" in "".join(bundle["text/plain"]) for bundle in bundles)
