"""rest/tokens.py: tokens are kept while they are good, renewed in time, and never shown."""

import base64
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.rest.tokens import AccessToken, KeptTokens, claims_of


class Source:
    def __init__(self, lifetime):
        self.now, self.lifetime, self.asked = 1000.0, lifetime, []

    def fetch(self, audience, refresh):
        self.asked.append((audience, refresh))
        return AccessToken(f"token {len(self.asked)}", int(self.now + self.lifetime))

    def clock(self):
        return self.now


@pytest.mark.parametrize(("lifetime", "good_until"), [(3600, 3300), (86400, 86100), (60, 48), (600, 480)])
def test_a_token_is_renewed_before_it_ends(lifetime, good_until):
    source = Source(lifetime)
    kept = KeptTokens(source.fetch, source.clock)
    kept.get("a")
    source.now += good_until - 1
    assert kept.get("a").token == "token 1"
    source.now += 2
    assert kept.get("a").token == "token 2"


def test_a_new_token_is_fetched_when_asked_for():
    source = Source(3600)
    kept = KeptTokens(source.fetch, source.clock)
    assert kept.get("a", refresh=True) != kept.get("a", refresh=True)
    assert source.asked == [("a", True), ("a", True)]


def test_audiences_have_tokens_of_their_own():
    source = Source(3600)
    kept = KeptTokens(source.fetch, source.clock)
    assert kept.get("a").token != kept.get("b").token
    assert kept.get("a").token == "token 1"


def test_threads_share_one_request():
    source = Source(3600)
    kept = KeptTokens(source.fetch, source.clock)
    threads = [threading.Thread(target=kept.get, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(source.asked) == 1


def test_a_failed_fetch_is_not_kept():
    answers = [OSError("away"), AccessToken("t", 5000)]

    def fetch(audience, refresh):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = KeptTokens(fetch, lambda: 1000.0)
    with pytest.raises(OSError, match="away"):
        kept.get("a")
    assert kept.get("a").token == "t"


def test_no_repr_shows_the_token():
    assert "hunter2" not in repr(AccessToken("hunter2", 5))


def test_claims_are_read_unverified():
    payload = base64.urlsafe_b64encode(json.dumps({"tid": "t", "upn": "ü@x"}).encode()).decode().rstrip("=")
    assert claims_of(f"h.{payload}.s") == {"tid": "t", "upn": "ü@x"}


@given(st.text())
def test_claims_of_anything_else_are_empty(text):
    assert claims_of(text) == {}
    assert claims_of(f"h.{text}.s") == {}
