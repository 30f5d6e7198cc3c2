"""What the notebooks under test import: a run that goes its way by the clock, and a stage over the real kernel."""

import time
from datetime import UTC, datetime, timedelta

from azml_magics.errors import TransportError
from azml_magics.views.snapshot import Metric, Snapshot
from azml_magics.views.stage import Stage

TRACE = """User program failed with ValueError: Input contains NaN
Traceback (most recent call last):
  File "train.py", line 31, in <module>
    model.fit(x, y)
ValueError: Input contains NaN"""


def stage_of(shell):
    """A stage over the kernel's own display, wired as an IPython extension does it."""
    from IPython.display import display

    def publish(bundle, display_id, *, update):
        display(bundle, raw=True, display_id=display_id, update=update)

    stage = Stage(publish, shell.get_parent)
    shell.events.register("pre_run_cell", stage.begin_cell)
    shell.events.register("post_run_cell", stage.end_cell)
    return stage


class Run:
    """Prepares, queues, runs and ends within so many seconds; `also` replaces parts of the picture."""

    def __init__(self, seconds, end="Completed", **also):
        self.begun, self.seconds, self.end, self.also = time.time(), seconds, end, also
        self.canceled, self.broken = None, ""

    def cancel(self):
        self.canceled = time.time()

    def __call__(self):
        if self.broken:
            raise TransportError(self.broken)
        past = time.time() - self.begun
        shares = {"Preparing": 0, "Queued": 0.1, "Running": 0.2, "Finalizing": 0.9, self.end: 1}
        way = [(word, share * self.seconds) for word, share in shares.items() if share * self.seconds <= past]
        if self.canceled:
            way = [*way[:3], ("Canceled", self.canceled - self.begun)]
        return Snapshot(**{**self._picture(way, past), **self.also})

    def _picture(self, way, past):
        zero = datetime.fromtimestamp(self.begun, UTC)
        status, when = way[-1]
        start = 0.2 * self.seconds
        epochs = max(0, int((past - start) * 5))
        ended = status in {"Completed", "Failed", "Canceled"}
        accuracy = [1 - 0.9 / (1 + n) ** 0.5 for n in range(epochs)]
        lines = [f"epoch {n:3d}  loss {2.3 / (1 + n) ** 0.5:.4f}  accuracy {a:.4f}" for n, a in enumerate(accuracy)]
        last = [Metric("loss", 2.3 / epochs**0.5, epochs - 1, epochs)] if epochs else []
        last += [Metric("accuracy", accuracy[-1], epochs - 1, epochs), Metric("learning_rate", 0.001)] if epochs else []
        return {
            "run_id": "digits-train_1792406400_5c1f0a2b",
            "experiment": "digits-train",
            "display_name": "sincere_parrot_k3v9",
            "status": status,
            "compute": "cpu-cluster",
            "started": zero + timedelta(seconds=start) if past > start else None,
            "ended": zero + timedelta(seconds=when) if ended else None,
            "reason": {"Queued": "Waiting for nodes: 0 of 2 are idle", "Failed": TRACE}.get(status, ""),
            "phases": tuple((word, zero + timedelta(seconds=seconds)) for word, seconds in way),
            "log": "\n".join(["loading digits: 1797 images", *lines]) if epochs else "",
            "metrics": tuple(last),
            "studio_url": "https://ml.azure.com/runs/digits-train_1792406400_5c1f0a2b?wsid=/subscriptions/0&tid=1",
            "tags": {"team": "vision", "stage": "candidate"},
        }
