"""The settings: each one declared once, and one function that decides which of its values holds.

An argument wins over `%azml config`, that over environment variables, over the `config.json` that the studio
gives (here, in `.azureml/`, then in the parent folders), over the user's file, over the default. Reads the
environment and small JSON files and knows no service; where a value came from is always told along with it.
"""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .errors import UsageError

__all__ = ["SETTINGS", "Found", "Setting", "Settings"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, the environment variables that give it (first one wins), its default, its help.

    `studio` is its key in the studio's `config.json`; `choices`, when there are any, are all of its values.
    """

    name: str
    variables: tuple[str, ...]
    default: str
    help: str
    kind: Literal["text", "int"] = "text"
    studio: str = ""
    choices: tuple[str, ...] = ()

    def checked(self, text: str, source: str) -> Any:
        """The value behind the text: a whole number above zero for "int", the text itself otherwise."""
        if self.kind == "int":
            if not (text.isascii() and text.isdigit() and int(text) > 0):
                raise UsageError(
                    f"{self.name} is {text!r} ({source}) but has to be a whole number above 0",
                    f"%azml config {self.name} {self.default}",
                )
            return int(text)
        if self.choices and text and text not in self.choices:
            raise UsageError(
                f"{self.name} is {text!r} ({source}) but has to be one of {', '.join(self.choices)}",
                f"%azml config {self.name} {_near(text, self.choices) or self.choices[0]}",
            )
        return text


SETTINGS = (
    Setting(
        "subscription",
        ("AZML_SUBSCRIPTION", "AZUREML_ARM_SUBSCRIPTION", "AZURE_SUBSCRIPTION_ID"),
        "",
        "the id of the Azure subscription",
        studio="subscription_id",
    ),
    Setting("group", ("AZML_GROUP", "AZUREML_ARM_RESOURCEGROUP"), "", "the resource group", studio="resource_group"),
    Setting(
        "workspace",
        ("AZML_WORKSPACE", "AZUREML_ARM_WORKSPACE_NAME"),
        "",
        "the Azure Machine Learning workspace",
        studio="workspace_name",
    ),
    Setting(
        "cloud",
        ("AZML_CLOUD", "ARM_CLOUD_METADATA_URL"),
        "AzureCloud",
        "AzureCloud, AzureUSGovernment, AzureChinaCloud, or the URL of a cloud's metadata",
    ),
    Setting("data", ("AZML_DATA",), "", "the emulator's data directory; empty for the user's own"),
    Setting(
        "tempo",
        ("AZML_TEMPO",),
        "at-once",
        "how fast the emulator makes things happen",
        choices=("at-once", "demo", "real"),
    ),
    Setting("poll_seconds", ("AZML_POLL_SECONDS",), "5", "seconds between two looks at what takes long", kind="int"),
    Setting("timeout_seconds", ("AZML_TIMEOUT_SECONDS",), "60", "seconds that one answer may take", kind="int"),
    Setting(
        "login",
        ("AZML_LOGIN",),
        "",
        "the way to sign in when the line names none; empty to try those that need nobody",
        choices=("service-principal", "azure-cli", "managed-identity", "browser", "device-code", "local"),
    ),
)


class Found(NamedTuple):
    """A setting's value and where it came from ("argument", "environment AZML_GROUP", "user file" ...)."""

    value: Any
    source: str


class Settings:
    """The settings of one user in one place. `%azml config` changes this object, `remember` the user's file.

    `environment`, `cwd` and `home` default to the process's own, read anew at each look: a notebook may change
    its folder and its variables.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        home: Path | None = None,
    ) -> None:
        self._environment: Mapping[str, str] = os.environ if environment is None else environment
        self._cwd = cwd
        self._home = home
        self._config: dict[str, str] = {}

    @property
    def user_file(self) -> Path:
        """The file of `remember`; it need not exist."""
        return (self._home or Path.home()) / ".azml" / "settings.json"

    def value(self, name: str, argument: Any = None) -> Any:
        """The value that holds: a whole number for `*_seconds`, text (empty when nothing chose it) otherwise."""
        return self.found(name, argument).value

    def found(self, name: str, argument: Any = None) -> Found:
        """The value that holds, and where it came from. UsageError for an unknown name or a value that is none."""
        setting = _setting(name)
        for text, source in self._offers(setting, argument):
            if text:
                return Found(setting.checked(text, source), source)
        return Found(setting.checked(setting.default, "default"), "default")

    def table(self) -> list[dict[str, Any]]:
        """Every setting as a row: name, value, source, help."""
        rows = []
        for setting in SETTINGS:
            found = self.found(setting.name)
            rows.append({"name": setting.name, "value": found.value, "source": found.source, "help": setting.help})
        return rows

    def set(self, name: str, value: Any) -> None:
        """Give a setting a value until this process ends (`%azml config NAME VALUE`)."""
        setting = _setting(name)
        text = str(value).strip()
        setting.checked(text, "config")
        self._config[setting.name] = text

    def unset(self, name: str) -> None:
        """Take back what `set` gave; the setting falls back to what was behind it."""
        self._config.pop(_setting(name).name, None)

    def remember(self, name: str, value: Any) -> None:
        """Keep a value in the user's file, for every later process; None takes it out again."""
        setting = _setting(name)
        kept = dict(_json_object(self.user_file))
        if value is None:
            kept.pop(setting.name, None)
        else:
            text = str(value).strip()
            kept[setting.name] = setting.checked(text, "user file")
        _write(self.user_file, kept)

    def _offers(self, setting: Setting, argument: Any) -> Iterator[tuple[str, str]]:
        """Every value that something offers, the strongest first. Files are read only when they are reached."""
        if argument is not None:
            yield str(argument).strip(), "argument"
        yield self._config.get(setting.name, ""), "config"
        for variable in setting.variables:
            yield self._environment.get(variable, "").strip(), f"environment {variable}"
        if setting.studio:
            path, document = self._studio()
            yield document.get(setting.studio, ""), f"config.json {path}"
        yield _text(_json_object(self.user_file).get(setting.name)), "user file"

    def _studio(self) -> tuple[Path | None, dict[str, str]]:
        """The nearest `config.json` that names a workspace's parts. One file counts: parts of two are not mixed."""
        here = self._cwd or Path.cwd()
        for folder in (here, *here.parents):
            for path in (folder / "config.json", folder / ".azureml" / "config.json"):
                document = _json_object(path)
                # The name is a common one: a file without a single key of ours belongs to another tool.
                keys = [s.studio for s in SETTINGS if s.studio and s.studio in document]
                if wrong := [key for key in keys if not isinstance(document[key], str)]:
                    raise UsageError(f"{path}: {wrong[0]} is not text", "download config.json from the studio again")
                if keys:
                    return path, {key: document[key].strip() for key in keys}
        return None, {}


def _setting(name: str) -> Setting:
    wanted = name.strip().replace("-", "_").lower()
    for setting in SETTINGS:
        if setting.name == wanted:
            return setting
    near = _near(wanted, tuple(s.name for s in SETTINGS))
    raise UsageError(
        f"there is no setting {name!r}", f"did you mean {near}?" if near else "%azml config lists the settings"
    )


def _near(word: str, words: tuple[str, ...]) -> str:
    return next(iter(difflib.get_close_matches(word, words, n=1)), "")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is no file. UsageError naming the file when it is broken."""
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # bad JSON and bad UTF-8 are both ValueErrors
        raise UsageError(f"{path} cannot be read as JSON: {error}", "mend the file or move it away") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not a JSON object", "mend the file or move it away")
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Put the document in place of the file in one step; only the user may read it and its folder."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".settings-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
