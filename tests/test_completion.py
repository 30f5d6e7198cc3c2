"""What may stand at the cursor."""

import pytest

from azml_magics.completion import complete

NAMES = {"experiment": ["mnist", "churn model", "churn-2"], "compute": ["cpu", "gpu"], "run": ["e_1", "e_2"]}


def names(noun):
    return NAMES.get(noun, [])


@pytest.mark.parametrize(
    ("typed", "fragment", "offered"),
    [
        ("ru", "ru", ["run", "runs"]),
        ("run sh", "sh", ["show"]),
        ("runs --exp", "--exp", ["--experiment"]),
        ("runs --experiment ", "", ["mnist", '"churn model"', "churn-2"]),
        ("runs --experiment ch", "ch", ['"churn model"', "churn-2"]),
        ('runs --experiment "chu', '"chu', ['"churn model"', '"churn-2"']),
        ("runs --experiment=mn", "mn", ["mnist"]),
        ("run show e_", "e_", ["e_1", "e_2"]),
        ("run show e_1 ", "", ["e_1", "e_2"]),
        ("compute create c --type A", "A", ["AmlCompute"]),
        ("runs --top 5 --to", "--to", []),
        ("nonsense word ", "", []),
        ("runs --experiment 'it is", "'it is", []),
    ],
)
def test_words_options_choices_and_live_names(typed, fragment, offered):
    assert complete(typed, names) == (fragment, offered)


def test_every_verb_of_a_noun_and_every_noun():
    assert {"list", "show", "cancel", "wait", "watch"} <= set(complete("run ", names)[1])
    assert {"runs", "run", "computes", "login", "submit"} <= set(complete("", names)[1])


def test_the_first_line_of_a_cell_magic():
    assert complete("--exper", names, cell="submit") == ("--exper", ["--experiment"])
    assert complete("--compute ", names, cell="submit") == ("", ["cpu", "gpu"])


def test_files_and_folders(tmp_path, monkeypatch):
    (tmp_path / "train.py").touch()
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete("submit ", names)[1] == ["code/", "train.py"]
    assert complete(f"submit {tmp_path}/tr", names)[1] == [f"{tmp_path}/train.py"]
    assert complete("submit nowhere/", names)[1] == []
