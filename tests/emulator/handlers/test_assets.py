from __future__ import annotations

from typing import Any

import pytest

from azml_magics.emulator.service import Fault


def create(serving: Any, *artifacts: dict[str, str], **more: Any) -> Any:
    return serving.call("asset.create", {"name": "model", "artifacts": list(artifacts), **more}).body


def test_an_asset_is_made_of_an_artifact_and_shown_again(serving: Any) -> None:
    name = serving.keep("outputs/model.pkl", b"x")
    made = create(serving, {"prefix": name}, runid="run-1")
    assert serving.call("asset.show", asset=made["id"]).body == made
    assert made["artifacts"] == [{"prefix": name}]
    assert made["runid"] == "run-1"
    assert not [key for key in made if key.startswith("_")]


def test_a_prefix_may_be_a_folder_and_an_id_a_file(serving: Any) -> None:
    serving.keep("outputs/model/weights.bin", b"x")
    assert create(serving, {"prefix": "ExperimentRun/dcid.run-1/outputs/model"}, {"id": serving.keep("a", b"")})


@pytest.mark.parametrize("name", ["ExperimentRun/dcid.run-1/outputs/mod", "ExperimentRun/dcid.none/a", "a", "", "a//b"])
def test_what_there_is_no_artifact_for_is_refused(serving: Any, name: str) -> None:
    serving.keep("outputs/model.pkl", b"x")
    with pytest.raises(Fault) as caught:
        create(serving, {"prefix": name})
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [None, [], {"name": "a"}, {"artifacts": []}, {"name": "a", "artifacts": ["x"]}])
def test_a_body_that_is_no_asset_is_refused(serving: Any, body: Any) -> None:
    with pytest.raises(Fault) as caught:
        serving.call("asset.create", body)
    assert caught.value.status == 400


def test_assets_are_listed_by_run_newest_first(serving: Any) -> None:
    name = serving.keep("outputs/model.pkl", b"x")
    made = [create(serving, {"prefix": name}, runid=run)["id"] for run in ("r1", "r2", "r1")]
    listed = serving.call("asset.list", query={"runId": "r1"}).body
    assert [asset["id"] for asset in listed["value"]] == [made[2], made[0]]
    assert "nextLink" not in listed


def test_deleting_answers_204_when_there_is_none_any_more(serving: Any) -> None:
    made = create(serving, {"prefix": serving.keep("a", b"")})
    assert serving.call("asset.delete", asset=made["id"]).status == 200
    assert serving.call("asset.delete", asset=made["id"]).status == 204
    with pytest.raises(Fault) as caught:
        serving.call("asset.show", asset=made["id"])
    assert caught.value.status == 404
