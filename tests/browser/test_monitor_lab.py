"""The run monitor in a real JupyterLab: it grows while a cell blocks, is usable by keyboard, and leaves plain HTML."""

import pytest
from playwright.sync_api import expect

SETUP = """
import time
from watched import Run, stage_of
from azml_magics.views.monitor import RunMonitor
stage = stage_of(get_ipython())
"""
# The luminance contrast of a text with the card behind it, by WCAG; a colour is painted to learn what it mixes to.
CONTRAST = """(node) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  const paint = canvas.getContext('2d', {willReadFrequently: true});
  const light = () => [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const fill = colour => { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); };
  fill(getComputedStyle(node.closest('.azml-monitor')).backgroundColor);
  const behind = light();
  fill(getComputedStyle(node).color);
  const [dark, bright] = [behind, light()].sort((a, b) => a - b);
  return (bright + .05) / (dark + .05);
}"""
BOXES = (
    "node => [...node.children].map(c => [c.offsetTop - node.offsetTop, c.offsetLeft, c.offsetWidth, c.offsetHeight])"
)


def watch(seconds, end="Completed", **also):
    return f"""
run = Run({seconds}, {end!r}, **{also!r})
m = RunMonitor(run, 0.3, run.cancel, stage=stage)
m
"""


@pytest.fixture
def live(notebook):
    """A notebook with a run under way in its second cell, and the card of it."""
    book = notebook(SETUP, watch(300), "", "")
    book.run(0)
    book.run(1)
    card = book.page.locator(".azml-monitor")
    expect(card.get_by_role("status")).to_have_text("Preparing")
    return book, card


def test_grows_while_a_cell_blocks(notebook):
    book = notebook(SETUP, watch(20), "time.sleep(8)")
    book.order("notebook:run-all-cells")
    card = book.page.locator(".azml-monitor")
    expect(card.get_by_role("status")).to_have_text("Running", timeout=20_000)
    expect(card.get_by_role("region", name="Log")).to_contain_text("epoch   5", timeout=20_000)
    expect(card.get_by_role("region", name="Metrics")).to_contain_text("accuracy")
    expect(book.cell(2).locator(".jp-InputPrompt")).to_have_text("[*]:")
    expect(card.locator(".azml-beat")).to_contain_text("updated")
    expect(card.locator(".azml-elapsed .azml-value")).to_have_text("0:00:03")


@pytest.mark.parametrize("end", ["Completed", "Failed"])
def test_the_end_leaves_plain_html_in_the_file(notebook, end):
    book = notebook(SETUP, watch(2, end), "print('jobs', stage.poller.keys(), 'views', stage.views())")
    book.run(0)
    book.run(1)
    expect(book.cell(1)).to_contain_text("UTC", timeout=20_000)
    expect(book.page.locator(".azml-monitor")).to_have_count(0)
    expect(book.cell(1)).to_contain_text(end)
    (data,) = book.saved(1)
    assert set(data) == {"text/plain", "text/html"}
    assert "".join(data["text/plain"]).split("\n")[0].endswith(f"{end}  sincere_parrot_k3v9")
    book.run(2)
    expect(book.cell(2)).to_contain_text("jobs [] views []")


def test_running_the_cell_again_ends_the_older_view(live):
    book, card = live
    book.run(1)
    book.run(1)
    expect(card).to_have_count(1)
    book.write(2, "len(stage.views())")
    book.run(2)
    expect(book.cell(2).locator(".jp-OutputArea-output")).to_have_text("1")
    expect(book.cell(1).locator(".jp-OutputArea-output")).to_have_count(1)


def test_pause_keeps_the_focus_and_stops_the_news(live):
    book, card = live
    card.get_by_role("button", name="Pause").focus()
    book.page.keyboard.press("Enter")
    resume = card.get_by_role("button", name="Resume")
    expect(resume).to_be_focused()
    expect(card.locator(".azml-beat")).to_contain_text("Paused, updated")
    expect(card.locator(".azml-beat")).to_contain_text("3 s ago")
    book.page.keyboard.press("Enter")
    expect(card.locator(".azml-beat")).to_have_text("updated just now")


def test_cancel_takes_two_steps_by_keyboard(live):
    book, card = live
    cancel = card.get_by_role("button", name="Cancel run")
    cancel.focus()
    book.page.keyboard.press("Enter")
    expect(card.get_by_role("button", name="Keep running")).to_be_focused()
    book.page.keyboard.press("Escape")
    expect(cancel).to_be_focused()
    book.page.keyboard.press("Enter")
    book.page.keyboard.press("Tab")
    book.page.keyboard.press("Enter")
    expect(book.cell(1).locator(".jp-RenderedHTML")).to_contain_text("Canceled")


def test_trouble_is_told_in_its_line_and_moves_nothing(live):
    book, card = live
    before = card.evaluate(BOXES)
    book.write(2, "run.broken = 'no answer from emulator.api.azureml.ms'")
    book.run(2)
    expect(card.get_by_role("alert")).to_have_text("no answer from emulator.api.azureml.ms")
    expect(card.locator(".azml-beat")).to_contain_text(", next try in ")
    assert card.evaluate(BOXES) == before
    book.write(3, "run.broken = ''")
    book.run(3)
    expect(card.get_by_role("alert")).to_be_empty(timeout=15_000)


def test_nothing_moves_from_the_first_phase_to_the_log(notebook):
    book = notebook(SETUP, watch(15))
    book.run(0, 1)
    card = book.page.locator(".azml-monitor")
    expect(card.get_by_role("status")).to_have_text("Preparing")
    before = card.evaluate(BOXES)
    expect(card.locator(".azml-reason")).to_contain_text("Waiting for nodes")
    assert card.evaluate(BOXES) == before
    expect(card.get_by_role("region", name="Log")).to_contain_text("epoch  20", timeout=20_000)
    assert card.evaluate(BOXES) == before


def test_the_log_follows_its_end_unless_the_reader_scrolls_up(notebook):
    book = notebook(SETUP, watch(60), "run.begun -= 20")
    book.run(0, 1, 2)
    log = book.page.get_by_role("region", name="Log")
    expect(log).to_contain_text("epoch  50", timeout=20_000)
    rest = "node => node.scrollHeight - node.clientHeight - node.scrollTop"
    assert log.evaluate(rest) < 2
    log.evaluate("node => { node.scrollTop = 40; }")
    expect(book.page.get_by_role("button", name="Jump to the end")).to_be_visible()
    words = log.inner_text()
    book.page.wait_for_function(
        "([node, was]) => node.textContent.length > was + 200", arg=[log.element_handle(), len(words)]
    )
    assert log.evaluate("node => node.scrollTop") == 40
    book.page.get_by_role("button", name="Jump to the end").click()
    assert log.evaluate(rest) < 2
    expect(log).to_be_focused()


def test_hostile_text_is_only_text(notebook):
    bad = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\x1b[31m\u202eevil " + "x" * 10_000
    also = {"display_name": bad, "experiment": bad, "reason": bad, "log": bad, "tags": {bad: bad}}
    also |= {"studio_url": "javascript:window.hit = 1", "metrics": ((bad, bad, None, None),)}
    book = notebook(SETUP, watch(2, **also))
    book.run(0, 1)
    card = book.page.locator(".azml-monitor")
    expect(card.locator(".azml-name")).to_contain_text("<script>window.hit = 1</script>")
    expect(card.get_by_role("link")).to_have_count(0)
    width = card.bounding_box()["width"]
    assert card.evaluate("node => node.scrollWidth") <= width
    assert "\u202e" not in card.inner_text()
    plain = book.cell(1).locator(".jp-RenderedHTML")
    expect(plain).to_contain_text("<script>window.hit = 1</script>", timeout=10_000)
    assert plain.evaluate("node => node.scrollWidth") <= width + 40
    assert book.page.evaluate("window.hit") is None
    assert book.cell(1).locator(".jp-OutputArea").locator("img, script").count() == 0


def test_a_restarted_kernel_is_told(live):
    book, card = live
    book.page.evaluate("() => { jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    expect(card.get_by_role("alert")).to_have_text(
        "The kernel was restarted: run the cell again to go on.", timeout=20_000
    )
    expect(card.get_by_role("button", name="Pause")).to_be_disabled()
    book.settle()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_themes(notebook, theme, tmp_path_factory):
    shots = tmp_path_factory.getbasetemp()
    book = notebook(SETUP, watch(12), watch(4, "Failed"))
    book.order("apputils:change-theme", {"theme": f"JupyterLab {theme}"})
    book.run(0, 1)
    card = book.page.locator(".azml-monitor")
    expect(card.locator(".azml-reason")).to_contain_text("Waiting")
    card.screenshot(path=shots / f"monitor-{theme}-queued.png")
    expect(card.get_by_role("region", name="Log")).to_contain_text("epoch  25", timeout=20_000)
    card.screenshot(path=shots / f"monitor-{theme}-running.png")
    for part in (
        ".azml-status span",
        ".azml-name",
        ".azml-id",
        ".azml-label",
        ".azml-value",
        ".azml-station",
        ".azml-log",
    ):
        assert card.locator(part).first.evaluate(CONTRAST) >= 4.5, part
    book.page.set_viewport_size({"width": 700, "height": 1000})
    card.screenshot(path=shots / f"monitor-{theme}-narrow.png")
    book.page.set_viewport_size({"width": 1200, "height": 900})
    book.run(2)
    for number in (1, 2):
        plain = book.cell(number).locator(".jp-RenderedHTML")
        expect(plain).to_contain_text("End of the log", timeout=20_000)
        plain.screenshot(path=shots / f"monitor-{theme}-plain-{number}.png")
