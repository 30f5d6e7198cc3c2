"""rest/aadsts.py: refused sign-ins in one line, with what to type next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.errors import AuthenticationError
from azml_magics.rest.aadsts import REFUSALS, refusal

TEXT = (
    "AADSTS{code}: Some long text about it. Have the user sign in.\r\n"
    "Trace ID: 255d1aef-8c98-452f-ac51-23d051240864\r\n"
    "Correlation ID: fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7\r\nTimestamp: 2016-01-09 02:02:12Z"
)
ASKED_FOR = (
    7000215, 7000222, 700016, 90002, 50076, 50079, 53003, 50034, 50126, 65001, 70043, 50173, 7000112, 530035
)  # fmt: skip


@pytest.mark.parametrize("code", sorted({*REFUSALS, *ASKED_FOR}))
def test_every_known_code_has_one_plain_line_and_a_next_step(code):
    error = refusal({"error": "invalid_grant", "error_codes": [code]}, tenant="contoso.com", client="app-1")
    assert isinstance(error, AuthenticationError)
    assert (error.code, error.status) == (f"AADSTS{code}", 401)
    assert error.hint
    for line in (error.message, error.hint):
        assert "\n" not in line
        assert "{" not in line
        assert "  " not in line


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_lines_read_well_without_tenant_and_client(code):
    error = refusal({"error_codes": [code]})
    assert "{" not in str(error)
    assert not error.message.startswith(" ")


def test_the_code_is_found_in_a_text():
    error = refusal("ERROR: " + TEXT.format(code=50076), tenant="t-1")
    assert (error.code, error.request_id) == ("AADSTS50076", "255d1aef-8c98-452f-ac51-23d051240864")
    assert error.message == "tenant t-1 asks for multi-factor sign-in"
    assert error.hint.startswith("az login --tenant t-1, then %azml login --azure-cli")


def test_an_unknown_code_says_what_the_service_says_without_its_ids():
    error = refusal({"error_description": TEXT.format(code=999999), "error_codes": [999999], "trace_id": "tr"})
    assert error.message == "Some long text about it. Have the user sign in."
    assert (error.code, error.request_id) == ("AADSTS999999", "tr")
    assert "error?code=999999" in error.hint


def test_an_answer_without_a_code_keeps_its_word():
    error = refusal({"error": "access_denied", "error_description": "The user said no"})
    assert (error.code, error.message) == ("access_denied", "The user said no")


def test_nothing_at_all_is_still_an_error_with_a_line():
    assert str(refusal({})).startswith("SignInRefused (401): the sign-in was refused -> ")


def test_secrets_in_the_services_text_are_not_shown():
    assert "hunter2" not in str(refusal("AADSTS1234567: bad client_secret=hunter2 given"))


@given(
    st.dictionaries(st.sampled_from(["error", "error_description", "error_codes", "trace_id"]), st.text() | st.none())
)
def test_no_answer_makes_it_fail(answer):
    assert refusal(answer).message
