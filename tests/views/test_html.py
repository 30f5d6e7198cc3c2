"""The static faces: what they say, and that text from the service is only text."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.views.html import run_card, run_text, status_badge
from azml_magics.views.snapshot import Metric, Snapshot, follow, look, steps
from azml_magics.views.text import LOG_LIMIT, block, clock, last_lines, line, moment, number, span, tail

BEGUN = datetime(2026, 3, 4, 10, 0, 0, tzinfo=UTC)
DONE = Snapshot(
    run_id="train_1700000000_ab12",
    experiment="digits",
    display_name="sincere_parrot",
    status="Completed",
    compute="cpu-cluster",
    started=BEGUN,
    ended=BEGUN + timedelta(hours=1, seconds=5),
    phases=(
        ("Queued", BEGUN - timedelta(seconds=90)),
        ("Running", BEGUN),
        ("Completed", BEGUN + timedelta(seconds=3605)),
    ),
    log="\n".join(f"line {n}" for n in range(100)),
    metrics=(Metric("loss", 0.123456789, 9, 10), Metric("note", None)),
    studio_url="https://ml.azure.com/runs/x?wsid=/subscriptions/0&tid=1",
    tags={"team": "vision"},
)
ANYTHING = st.text(st.characters(), max_size=80)
# What a service could send to break out of the markup or to rule a terminal.
NASTY = (
    "<script>x()</script>",
    "<img src=x onerror=x()>",
    '" onmouseover="x()',
    "\x1b[2J\x1b]0;title\x07",
    "\u202ednet",
)


class Tags(HTMLParser):
    """The tags of a text, whether they nest, and its attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.attributes, self.nested, self.words = [], set(), [], True, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        self.nested &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_the_card_tells_what_a_reader_asks_first():
    words = Tags(run_card(DONE)).words
    for text in ("Completed", "sincere_parrot", "train_1700000000_ab12", "digits", "cpu-cluster", "team=vision"):
        assert text in words
    assert "2026-03-04 10:00:00 UTC" in words
    assert "1:00:05" in words
    assert "0.123457" in words
    assert "line 99" in words
    assert "line 79" not in words


def test_the_card_needs_no_script_style_sheet_or_class():
    card = Tags(run_card(DONE))
    assert card.nested
    assert not card.open
    assert not card.seen & {"script", "style", "link", "img", "svg"}
    assert "class" not in dict(card.attributes)


def test_both_faces_are_the_same_whenever_they_are_made():
    assert run_card(DONE) == run_card(DONE)
    assert " ago" not in run_card(DONE) + run_text(DONE)


def test_the_text_tells_the_same_in_plain_lines():
    rows = run_text(DONE).split("\n")
    assert rows[0] == "✔ Completed  sincere_parrot"
    assert "  Elapsed     1:00:05" in rows
    assert "  Metric      loss = 0.123457 (step 9, 10 values)" in rows
    assert "  Metric      note = \u2013" in rows
    assert "  Studio      https://ml.azure.com/runs/x?wsid=/subscriptions/0&tid=1" in rows
    assert rows[-1] == "    line 99"


def test_an_empty_run_has_faces_too():
    bare = Snapshot("r1")
    assert Tags(run_card(bare)).nested
    assert run_text(bare).split("\n") == ["• Unknown  r1", "  Run         r1"]


def test_a_run_under_way_says_as_of_when():
    going = Snapshot("r1", status="Running", as_of=BEGUN)
    assert "as of 2026-03-04 10:00:00 UTC" in Tags(run_card(going)).words
    assert "As of       2026-03-04 10:00:00 UTC" in run_text(going)
    assert "as of" not in run_card(DONE)


@pytest.mark.parametrize("url", ["javascript:x()", "http://ml.azure.com/", "//ml.azure.com", " https://x", ""])
def test_only_https_becomes_a_link(url):
    shown = Snapshot("r1", studio_url=url)
    assert "<a" not in run_card(shown)
    assert "Studio" not in run_text(shown)


def test_the_link_opens_apart_from_the_notebook():
    attributes = dict(Tags(run_card(DONE)).attributes)
    assert attributes["href"] == DONE.studio_url
    assert attributes["rel"] == "noopener noreferrer"


def test_every_status_has_an_icon_and_a_word():
    badges = {status: Tags(status_badge(status)).words for status in ("Completed", "Failed", "Canceled", "Running")}
    assert all(words.endswith(status) and len(words) > len(status) + 1 for status, words in badges.items())
    assert Tags(status_badge("NeverHeardOf")).words == "• NeverHeardOf"


def test_each_colour_stands_twice_for_front_ends_that_drop_variables():
    assert "color:#388e3c;color:var(--jp-success-color1,#388e3c)" in status_badge("Completed")


@pytest.mark.parametrize("nasty", NASTY)
def test_nothing_from_the_service_becomes_markup_or_rules_a_terminal(nasty):
    texts = dict.fromkeys(("run_id", "experiment", "display_name", "status", "compute", "reason", "log"), nasty)
    shown = Snapshot(**texts, metrics=(Metric(nasty, nasty),), tags={nasty: nasty}, phases=((nasty, BEGUN),))
    card = Tags(run_card(shown))
    assert card.nested
    assert not card.seen & {"script", "img"}
    assert not {name for name, _ in card.attributes} & {"onerror", "onmouseover"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", run_card(shown) + run_text(shown))


@given(ANYTHING, ANYTHING, ANYTHING)
def test_any_text_leaves_the_markup_whole(name, reason, log):
    shown = Snapshot(name, status=name, reason=reason, log=log, metrics=(Metric(name, reason),), tags={name: log})
    card = Tags(run_card(shown))
    assert card.nested
    assert not card.open
    assert card.seen <= {
        "div",
        "span",
        "strong",
        "code",
        "bdi",
        "br",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "pre",
    }
    assert "\x1b" not in run_text(shown)


def test_long_texts_are_cut():
    shown = Snapshot(
        "r" * 10_000, reason="x" * 100_000, log="y" * 1_000_000, tags={f"k{n}": "v" * 999 for n in range(99)}
    )
    assert len(run_card(shown)) < 30_000
    assert len(run_text(shown)) < 20_000
    assert "and 91 more" in run_text(shown)


def test_more_metrics_than_fit_are_counted():
    shown = Snapshot("r1", metrics=tuple(Metric(f"m{n}", n) for n in range(70)))
    assert "and 20 more" in run_card(shown)


def test_the_reason_keeps_its_lines():
    shown = run_card(Snapshot("r1", status="Failed", reason="first\n  second <x>"))
    assert "first<pre" in shown
    assert "  second &lt;x&gt;</pre>" in shown


def test_the_way_of_a_run_has_what_was_what_is_and_what_comes():
    going = Snapshot("r1", status="Running", phases=(("Preparing", BEGUN), ("Running", BEGUN + timedelta(seconds=4))))
    way = [(step.name, step.mark) for step in steps(going)]
    assert way == [("Preparing", "past"), ("Running", "now"), ("Finalizing", "ahead"), ("Completed", "ahead")]
    assert steps(going)[0].ended == BEGUN + timedelta(seconds=4)


def test_an_ended_run_has_nothing_ahead_and_an_unknown_status_no_future():
    assert [(step.name, step.mark) for step in steps(DONE)][-1] == ("Completed", "end")
    assert [step.mark for step in steps(Snapshot("r1", status="Meditating"))] == ["now"]
    assert look("Meditating") == "unknown"


def test_a_status_without_a_phase_of_its_own_is_the_last_station():
    failed = Snapshot("r1", status="Failed", ended=BEGUN, phases=(("Running", BEGUN - timedelta(seconds=3)),))
    assert [(step.name, step.began) for step in steps(failed)][-1] == ("Failed", BEGUN)


def test_the_way_is_what_was_seen_where_the_service_tells_none():
    late = BEGUN + timedelta(seconds=70)
    queued = follow(None, Snapshot("r1", status="Queued", as_of=BEGUN))
    running = follow(queued, Snapshot("r1", status="Running", started=BEGUN + timedelta(seconds=9), as_of=late))
    again = follow(running, Snapshot("r1", status="Running", started=BEGUN + timedelta(seconds=9), as_of=late))
    ending = follow(again, Snapshot("r1", status="Finalizing", as_of=late))
    assert ending.phases == (("Queued", None), ("Running", BEGUN + timedelta(seconds=9)), ("Finalizing", late))
    assert [step.began for step in steps(ending)][:3] == [None, BEGUN + timedelta(seconds=9), late]
    assert "Queued" in Tags(run_card(ending)).words
    told = follow(ending, DONE)
    assert told.phases == DONE.phases


def test_colours_and_progress_bars_leave_a_log():
    assert tail("\x1b[32mgreen\x1b[0m\r\n 10%|#  |\r 50%|## |\r100%|###|\nend\n") == "green\n100%|###|\nend"


def test_the_end_of_a_log_is_whole_lines_within_its_limit():
    end = tail("\n".join(f"step {n:06d}" for n in range(50_000)))
    assert len(end) <= LOG_LIMIT
    assert end.endswith("step 049999")
    assert re.fullmatch(r"step \d{6}", end.split("\n")[0])
    assert tail("z" * 100_000) == "z" * LOG_LIMIT
    assert last_lines(end, 2) == "step 049998\nstep 049999"


def test_names_become_one_line_without_direction_tricks():
    assert line("a\nb\tc\u202egpj.exe\x00") == "a b cgpj.exe"
    assert line("שלום") == "שלום"
    assert line("x" * 500, 10) == "x" * 9 + "…"
    assert block("\x1b]8;;https://x\x07label\x1b]8;;\x07") == "label"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1 + 0.2, "0.3"),
        (1_234_567, "1234567"),
        (10**400, "∞"),
        (1.5e-9, "1.5e-09"),
        (float("nan"), "NaN"),
        (float("-inf"), "-∞"),
        (True, "True"),
        (None, "\u2013"),
        ("text", "text"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_numbers_are_short_and_odd_ones_are_shown(value, shown):
    assert number(value) == shown


def test_times_are_absolute_and_in_utc():
    assert moment(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02 01:04:05 UTC"
    assert moment(datetime(2026, 1, 2, 3, 4, 5)) == "2026-01-02 03:04:05 UTC"  # noqa: DTZ001 - the service leaves it out
    assert (clock(0), clock(3_661), clock(90_061), clock(None)) == ("0:00:00", "1:01:01", "1 d 1:01:01", "\u2013")
    assert (span(59.9), span(60)) == ("59 s", "0:01:00")
