"""settings.py: which value holds, where it came from, and what is refused."""

import json
import stat
import sys

import pytest

from azml_magics.errors import UsageError
from azml_magics.settings import SETTINGS, Found, Settings

STUDIO = {"subscription_id": "sub-file", "resource_group": "rg-file", "workspace_name": "ws-file"}


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def here(tmp_path):
    path = tmp_path / "work" / "deep" / "er"
    path.mkdir(parents=True)
    return path


def put(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def test_each_level_wins_over_the_next(home, here):
    environment = {}
    settings = Settings(environment, here, home)
    assert settings.found("group") == Found("", "default")
    settings.remember("group", "rg-user")
    assert settings.found("group") == Found("rg-user", "user file")
    path = put(here / "config.json", STUDIO)
    assert settings.found("group") == Found("rg-file", f"config.json {path}")
    environment["AZUREML_ARM_RESOURCEGROUP"] = "rg-arm"
    assert settings.found("group") == Found("rg-arm", "environment AZUREML_ARM_RESOURCEGROUP")
    environment["AZML_GROUP"] = "rg-env"
    assert settings.found("group") == Found("rg-env", "environment AZML_GROUP")
    settings.set("group", "rg-config")
    assert settings.found("group") == Found("rg-config", "config")
    assert settings.found("group", "rg-argument") == Found("rg-argument", "argument")
    settings.unset("group")
    assert settings.value("group") == "rg-env"


def test_an_empty_variable_is_no_value(home, here):
    settings = Settings({"AZML_GROUP": "  ", "AZUREML_ARM_RESOURCEGROUP": "rg"}, here, home)
    assert settings.value("group") == "rg"


def test_an_empty_argument_is_no_value(home, here):
    assert Settings({"AZML_GROUP": "rg"}, here, home).value("group", "") == "rg"


@pytest.mark.parametrize(
    "place", ["config.json", ".azureml/config.json", "../config.json", "../../.azureml/config.json"]
)
def test_config_json_is_found_here_in_azureml_and_in_parents(home, here, place):
    put(here / place, STUDIO)
    settings = Settings({}, here, home)
    assert [settings.value(n) for n in ("subscription", "group", "workspace")] == ["sub-file", "rg-file", "ws-file"]


def test_the_nearest_config_json_counts_alone(home, here):
    put(here.parent / "config.json", STUDIO)
    put(here / "config.json", {"workspace_name": "near"})
    settings = Settings({}, here, home)
    assert (settings.value("workspace"), settings.value("group")) == ("near", "")


def test_a_config_json_of_another_tool_is_passed_by(home, here):
    put(here / "config.json", {"hidden_size": 768})
    put(here.parent / "config.json", STUDIO)
    assert Settings({}, here, home).value("workspace") == "ws-file"


def test_a_config_json_with_a_byte_order_mark_is_read(home, here):
    (here / "config.json").write_text("\ufeff" + json.dumps(STUDIO), "utf-8")
    assert Settings({}, here, home).value("workspace") == "ws-file"


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"workspace_name": 5}', "\udcff"])
def test_a_broken_config_json_is_named(home, here, text):
    path = here / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        Settings({}, here, home).value("workspace")
    assert str(path) in str(caught.value)


def test_a_broken_config_json_does_not_stand_in_the_way_of_an_argument(home, here):
    put(here / "config.json", "{")
    assert Settings({}, here, home).value("workspace", "mine") == "mine"


def test_settings_that_the_studio_does_not_know_are_not_looked_up_in_its_file(home, here):
    put(here / "config.json", "{")
    assert Settings({}, here, home).value("cloud") == "AzureCloud"


def test_the_metadata_variable_of_azure_chooses_the_cloud(home, here):
    url = "https://localhost:8443/metadata/endpoints"
    assert Settings({"ARM_CLOUD_METADATA_URL": url}, here, home).value("cloud") == url


def test_seconds_are_whole_numbers(home, here):
    settings = Settings({"AZML_POLL_SECONDS": "7"}, here, home)
    assert (settings.value("poll_seconds"), settings.value("timeout_seconds")) == (7, 60)
    assert settings.value("poll-seconds") == 7


@pytest.mark.parametrize("text", ["soon", "-1", "0", "1.5", "²"])
def test_a_bad_number_is_refused_with_its_source(home, here, text):
    settings = Settings({"AZML_POLL_SECONDS": text}, here, home)
    with pytest.raises(UsageError, match="environment AZML_POLL_SECONDS"):
        settings.value("poll_seconds")
    with pytest.raises(UsageError):
        settings.set("poll_seconds", text)
    assert settings.value("poll_seconds", 3) == 3


def test_a_value_outside_the_choices_is_refused(home, here):
    with pytest.raises(UsageError, match="at-once, demo, real") as caught:
        Settings({}, here, home).set("tempo", "demmo")
    assert caught.value.hint == "%azml config tempo demo"


def test_an_unknown_name_is_refused_with_the_near_one(home, here):
    settings = Settings({}, here, home)
    for call in (settings.value, settings.unset, lambda n: settings.set(n, "x"), lambda n: settings.remember(n, "x")):
        with pytest.raises(UsageError, match="did you mean workspace"):
            call("worksapce")
    with pytest.raises(UsageError, match="%azml config lists"):
        settings.value("zzz")


def test_what_is_remembered_is_there_for_the_next_process(home, here):
    Settings({}, here, home).remember("workspace", "kept")
    Settings({}, here, home).remember("poll_seconds", "9")
    again = Settings({}, here, home)
    assert (again.value("workspace"), again.value("poll_seconds")) == ("kept", 9)
    again.remember("workspace", None)
    assert again.value("workspace") == ""
    assert [p.name for p in again.user_file.parent.iterdir()] == ["settings.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_user_file_is_for_the_user_alone(home, here):
    (home / ".azml").mkdir(mode=0o755)
    settings = Settings({}, here, home)
    settings.remember("workspace", "w")
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (settings.user_file, settings.user_file.parent)]
    assert modes == [0o600, 0o700]


def test_a_bad_value_leaves_the_user_file_alone(home, here):
    settings = Settings({}, here, home)
    settings.remember("poll_seconds", 5)
    before = settings.user_file.read_bytes()
    with pytest.raises(UsageError):
        settings.remember("poll_seconds", "soon")
    assert settings.user_file.read_bytes() == before


def test_a_broken_user_file_is_named(home, here):
    path = put(home / ".azml" / "settings.json", "{")
    with pytest.raises(UsageError) as caught:
        Settings({}, here, home).value("workspace")
    assert str(path) in str(caught.value)


def test_the_table_has_a_row_for_every_setting(home, here):
    rows = Settings({"AZML_DATA": "/d"}, here, home).table()
    assert [r["name"] for r in rows] == [s.name for s in SETTINGS]
    assert all(set(r) == {"name", "value", "source", "help"} and r["help"] for r in rows)
    assert {"name": "data", "value": "/d", "source": "environment AZML_DATA"}.items() <= rows[4].items()


def test_the_real_folder_and_environment_are_the_defaults(monkeypatch, tmp_path, home):
    settings = Settings(home=home)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AZML_WORKSPACE", raising=False)
    monkeypatch.delenv("AZUREML_ARM_WORKSPACE_NAME", raising=False)
    put(tmp_path / "config.json", STUDIO)
    assert settings.value("workspace") == "ws-file"
    monkeypatch.setenv("AZML_WORKSPACE", "w")
    assert settings.value("workspace") == "w"
