"""rest/curl.py: requests printed as curl commands that work, and pasted commands read back."""

import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from azml_magics.errors import UsageError
from azml_magics.rest.curl import from_curl, to_curl
from azml_magics.rest.protocol import Part, Request
from azml_magics.rest.redact import redact

URL = "https://management.azure.com/subscriptions/1-2/resourceGroups/rg"

no_surrogates = st.characters(exclude_categories=["Cs"])
texts = st.text(no_surrogates, max_size=20)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=8), c, max_size=3),
    max_leaves=8,
).filter(lambda v: v is not None)
names = st.text("abcdefghij-XYZ", min_size=1, max_size=12).map(lambda n: f"x-{n}")
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
headers = st.dictionaries(names, values, max_size=3)
params = st.lists(st.tuples(st.text("abc$", min_size=1, max_size=5), texts), max_size=3).map(tuple)
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])


def same(read, request):
    """Whether what was read back is what was printed; the query is part of the address by then."""
    return (
        read.method == request.method
        and read.full_url == request.full_url
        and {k.lower(): v for k, v in read.headers.items()} == {k.lower(): v for k, v in request.headers.items()}
        and read.json == request.json
        and read.parts == request.parts
        and (read.data or None) == (request.data or None)
    )


@given(methods, params, headers, bodies)
def test_json_comes_back_as_it_was_printed(method, query, extra, body):
    request = Request(method, URL, query, {**extra, "Content-Type": "application/json"}, body)
    assume(redact(request.json) == body)
    assume(redact(extra) == extra)
    assume(redact(request.full_url) == request.full_url)
    assert same(from_curl(to_curl(request)), request)


@given(methods, headers, texts)
def test_text_comes_back_as_it_was_printed(method, extra, text):
    request = Request(method, URL, headers={**extra, "Content-Type": "text/plain"}, data=text.encode())
    assume(redact(text) == text)
    assume(redact(extra) == extra)
    assume("\0" not in text)
    assert same(from_curl(to_curl(request)), request)


@given(st.text(no_surrogates, min_size=1, max_size=20), st.text("abc .;\"'\\é", min_size=1, max_size=12))
def test_parts_come_back_as_they_were_printed(text, filename):
    assume("\0" not in text)
    assume(redact(text) == text)
    parts = (
        Part("runDefinitionFile", filename, text.encode(), "application/json"),
        Part("projectZipFile", "project.zip", Path("some; folder") / 'a "b".zip', "application/zip"),
    )
    request = Request("POST", URL, parts=parts)
    assert from_curl(to_curl(request)).parts == parts


def test_a_get_is_short_and_has_the_token_as_a_variable():
    request = Request("GET", URL, (("api-version", "2019-11-01"),), {"Accept": "application/json"})
    assert to_curl(request) == (
        f"curl '{URL}?api-version=2019-11-01' \\\n"
        '  -H "Authorization: Bearer $AZML_TOKEN" \\\n'
        "  -H 'Accept: application/json'"
    )


def test_json_is_readable_and_typed():
    text = to_curl(Request("PUT", URL, json={"location": "l'été"}))
    assert text.splitlines()[0] == f"curl -X PUT '{URL}' \\"
    assert "-H 'Content-Type: application/json'" in text
    assert '"location": "l\'"\'"\'été"' in text


def test_an_anonymous_request_shows_no_token():
    assert "Authorization" not in to_curl(Request("GET", URL, anonymous=True))


def test_a_post_without_a_body_tells_its_length():
    assert to_curl(Request("POST", URL)).endswith("-d ''")
    assert from_curl(to_curl(Request("POST", URL))).data is None


def test_secrets_are_not_printed():
    body = {"properties": {"adminUserPassword": "hunter2", "adminUserName": "u"}}
    link = "https://a.blob.core.windows.net/c/b?sv=1&sig=abc%2Bdef"
    parts = (Part("d", "d.json", b'{"client_secret": "hunter2"}', "application/json"),)
    shown = [
        to_curl(Request("PUT", URL, json=body)),
        to_curl(Request("GET", link, anonymous=True)),
        to_curl(Request("GET", "https://a.blob.core.windows.net/c/b", (("sv", "1"), ("sig", "hunter2")))),
        to_curl(Request("POST", URL, headers={"Authorization": "Bearer hunter2", "x-api-key": "hunter2"}, parts=parts)),
        to_curl(Request("POST", URL, data=b"grant_type=x&client_secret=hunter2")),
    ]
    assert not [text for text in shown if "hunter2" in text or "abc%2Bdef" in text]
    assert all("***" in text for text in shown)


def test_bytes_that_are_no_text_are_named_as_a_file():
    assert "--data-binary @body.bin" in to_curl(Request("POST", URL, data=b"\x00\xff"))
    assert "--data-binary '@my zip'" in to_curl(Request("POST", URL, data=Path("my zip")))


WS = (
    "/subscriptions/{your-subscription-id}/resourceGroups/{your-resource-group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}"
)


def test_the_token_request_is_a_form():
    request = from_curl(
        "curl -X POST https://login.microsoftonline.com/{your-tenant-id}/oauth2/token \\\n"
        '-d "grant_type=client_credentials&client_id={your-client-id}&client_secret={your-client-secret}" \\\n'
    )
    assert (
        request.data == b"grant_type=client_credentials&client_id={your-client-id}&client_secret={your-client-secret}"
    )
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}


def test_an_unquoted_address_continued_on_the_next_line_is_one():
    request = from_curl(
        "curl https://{regional-api-server}/history/v1.0/subscriptions/{your-subscription-id}/resourceGroups/"
        "{your-resource-group}/\\\nproviders/Microsoft.MachineLearningServices/workspaces/{your-workspace-name}"
        '/experiments?api-version=2019-11-01 \\\n-H "Authorization:Bearer {your-access-token}"\n'
    )
    assert (request.method, request.headers) == ("GET", {})
    assert request.url == f"https://{{regional-api-server}}/history/v1.0{WS}/experiments?api-version=2019-11-01"


def test_a_compute_is_created_by_put_with_json():
    request = from_curl(
        f"curl -X PUT \\\n  'https://management.azure.com{WS}/computes/{{name}}?api-version=2019-11-01' \\\n"
        "  -H 'Authorization:Bearer {your-access-token}' \\\n  -H 'Content-Type: application/json' \\\n"
        '  -d \'{\n    "location": "{your-azure-location}",\n    "properties": {"computeType": "AmlCompute"}\n}\'\n'
    )
    assert (request.method, request.json["properties"]) == ("PUT", {"computeType": "AmlCompute"})
    assert request.headers == {"Content-Type": "application/json"}


def test_a_run_is_started_with_two_files():
    request = from_curl(
        f"curl https://{{regional-api-server}}/execution/v1.0{WS}/experiments/e/startrun?api-version=2019-11-01 \\\n"
        '  -X POST \\\n  -H "Content-Type: multipart/form-data" \\\n'
        '  -H "Authorization:Bearer {your-access-token}" \\\n'
        "  -F projectZipFile=@train.zip \\\n  -F runDefinitionFile=@runDefinition.json\n"
    )
    assert (request.method, request.headers) == ("POST", {})
    assert request.parts == (
        Part("projectZipFile", "train.zip", Path("train.zip"), "application/zip"),
        Part("runDefinitionFile", "runDefinition.json", Path("runDefinition.json"), "application/json"),
    )


def test_a_first_line_without_its_backslash_is_forgiven():
    request = from_curl("curl\n  -X DELETE \\\n'https://host/models/{your-model-id}?api-version=2019-11-01' \\\n")
    assert (request.method, request.url) == ("DELETE", "https://host/models/{your-model-id}?api-version=2019-11-01")


def test_continuations_inside_single_quotes_are_forgiven():
    request = from_curl(
        "curl -X PUT \\\n  'https://management.azure.com/subscriptions/s/resourceGroups/g\\\n/providers/p' \\\n"
        "  -H 'Content-Type: application/json' \\\n  -d '{\"keyVault\": \"/subscriptions/s/\\\nproviders/v\"}'\n"
    )
    assert request.url == "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/p"
    assert request.json == {"keyVault": "/subscriptions/s/providers/v"}


@pytest.mark.parametrize("option", ["-h", "-H", "--header"])
@pytest.mark.parametrize("name", ["Authentication", "Authorization", "authorization", "Proxy-Authorization"])
def test_the_pasted_token_is_left_out(option, name):
    request = from_curl(f'curl {option} "{name}: Bearer abc" {URL}')
    assert request.headers == {}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (f"curl {URL}", Request("GET", URL)),
        (f"$ curl.exe -sSL -k {URL} -o out.json | jq .", Request("GET", URL)),
        (f"!curl --url {URL} > out.json", Request("GET", URL)),
        ("curl management.azure.com/x", Request("GET", "https://management.azure.com/x")),
        (f"curl -XDELETE {URL} --max-time 5", Request("DELETE", URL)),
        (f"curl --request=PATCH {URL}", Request("PATCH", URL)),
        (f"curl -I {URL}", Request("HEAD", URL)),
        (f"curl -G {URL} -d a=1 --data-urlencode 'q=x y&z'", Request("GET", f"{URL}?a=1&q=x+y%26z")),
        (f"curl {URL} -d '[1, 2]'", Request("POST", URL, json=[1, 2])),
        (f'curl {URL} --json "{{\\"a\\": \\"\\$b\\"}}"',
         Request("POST", URL, (), {"Content-Type": "application/json", "Accept": "application/json"}, {"a": "$b"})),
        (f"curl {URL} -d a=1 -d b=2",
         Request("POST", URL, headers={"Content-Type": "application/x-www-form-urlencoded"}, data=b"a=1&b=2")),
        (f"curl {URL} -H 'Content-Type: text/csv' --data-binary @rows.csv",
         Request("POST", URL, headers={"Content-Type": "text/csv"}, data=Path("rows.csv"))),
        (f"curl {URL} -T model.bin",
         Request("PUT", URL, headers={"Content-Type": "application/octet-stream"}, data=Path("model.bin"))),
        (f"curl {URL} -F 'a=text;type=text/csv' -F 'b=<notes.txt' --form-string 'c=@x'",
         Request("POST", URL, parts=(Part("a", "", b"text", "text/csv"), Part("b", "", Path("notes.txt"), "text/plain"),
                                     Part("c", "", b"@x", "text/plain")))),
        (f"curl {URL} -H 'X-Empty;' -A me -u user:pw -H 'Accept:'",
         Request("GET", URL, headers={"X-Empty": "", "User-Agent": "me"})),
    ],
)  # fmt: skip
def test_options_are_read_as_curl_reads_them(command, expected):
    assert from_curl(command) == expected


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("wget https://x", "no curl command"),
        ("", "no curl command"),
        ("curl", "one URL and has none"),
        ("curl https://a https://b", "https://a, https://b"),
        ("curl ...more args...", "...more, args..."),
        ("curl ftp://host/x", "no address"),
        ("curl 'https://a", "closing quot"),
        (f"curl {URL} -d '{{\"a\": }}'", "not JSON"),
        (f"curl {URL} -H 'Content-Type: application/json' -d 'a=1'", "not JSON"),
        (f"curl {URL} --frobnicate", "--frobnicate"),
        (f"curl {URL} --cert me.pem", "--cert"),
        (f"curl {URL} -X", "-X lacks its value"),
        (f"curl {URL} -d @-", "standard input"),
        (f"curl {URL} -d @a -d b", "several pieces"),
        (f"curl {URL} -d a -F b=c", "one body"),
        (f"curl {URL} -F nothing", "no name"),
        (f"curl {URL} -H nothing", "no header"),
        (f"curl {URL} -H @file", "from a file"),
        (f"curl {URL} -d $'a\\nb'", "plain single quotes"),
    ],
)
def test_what_cannot_be_done_is_said(command, said):
    with pytest.raises(UsageError) as caught:
        from_curl(command)
    assert said in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for command in (text, f"curl {text}", f"curl {URL} {text}"):
        try:
            from_curl(command)
        except UsageError:
            continue


# ---- curl itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    class Echo(http.server.BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("content-length") or 0)
            seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815

        def log_message(self, *_):
            pass

    seen = []
    with http.server.HTTPServer(("127.0.0.1", 0), Echo) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", seen
        httpd.shutdown()


def pasted(request, server, folder):
    _, seen = server
    seen.clear()
    command = to_curl(request) + " --silent --max-time 20 --noproxy '*'"
    environment = {"AZML_TOKEN": "from-the-shell", "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder)}
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=folder, env=environment, timeout=30)
    return seen[0]


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


@needs_curl
@settings(max_examples=12, deadline=None)
@given(body=bodies, query=params)
def test_a_printed_command_sends_that_json(server, tmp_path_factory, body, query):
    assume(redact(body) == body)
    request = Request("PUT", f"{server[0]}/x", query, {"Accept": "application/json"}, body)
    assume(redact(request.full_url) == request.full_url)
    method, path, sent, data = pasted(request, server, tmp_path_factory.getbasetemp())
    assert (method, server[0] + path) == ("PUT", request.full_url)
    assert json.loads(data) == body
    assert sent["Content-Type"] == "application/json"
    assert sent["Authorization"] == "Bearer from-the-shell"


@needs_curl
def test_a_printed_command_sends_those_parts(server, tmp_path):
    path = tmp_path / 'odd; "name".zip'
    path.write_bytes(b"PK\x00\xff")
    definition = '{"Script": "it\'s; \\"x\\".py", "n": 1}'
    parts = (
        Part("runDefinitionFile", "definition.json", definition.encode(), "application/json"),
        Part("projectZipFile", "project.zip", path, "application/zip"),
    )
    method, _, sent, data = pasted(Request("POST", f"{server[0]}/startrun?runId=1", parts=parts), server, tmp_path)
    assert method == "POST"
    assert sent["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="runDefinitionFile"; filename="definition.json"\r\nContent-Type: application/json\r\n\r\n' in data
    assert definition.encode() + b"\r\n" in data
    assert b'name="projectZipFile"; filename="project.zip"\r\nContent-Type: application/zip\r\n\r\nPK\x00\xff' in data


@needs_curl
def test_a_printed_command_sends_those_bytes(server, tmp_path):
    _, _, sent, data = pasted(Request("POST", f"{server[0]}/score", data=b"@it's\n{1..3} $HOME `x`"), server, tmp_path)
    assert data == b"@it's\n{1..3} $HOME `x`"
    assert "Content-Type" not in sent


@needs_curl
def test_a_printed_command_without_a_body_works(server, tmp_path):
    assert pasted(Request("POST", f"{server[0]}/x[1]{{a,b}}"), server, tmp_path)[1:] == (
        "/x[1]{a,b}",
        pasted(Request("POST", f"{server[0]}/x[1]{{a,b}}"), server, tmp_path)[2],
        b"",
    )
    assert pasted(Request("HEAD", f"{server[0]}/x"), server, tmp_path)[0] == "HEAD"
