import uuid

import pytest

from azml_magics.emulator.requirements import masked, read, requirement_of, requirements_of


def conda(*dependencies, **more):
    return {"python": {"condaDependencies": {"dependencies": list(dependencies), **more}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("numpy", "numpy"),
        ("numpy=1.19", "numpy==1.19.*"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy==1.19.5", "numpy==1.19.5"),
        ("numpy 1.19.5", "numpy==1.19.5"),
        ("numpy 1.19.5 py36_0", "numpy==1.19.5"),
        ("numpy=1.19.5=py36_0", "numpy==1.19.5"),
        ("numpy==1.19.5=py36_0", "numpy==1.19.5"),
        ("numpy >= 1.19, <2", "numpy>=1.19,<2"),
        ("numpy!=1.20", "numpy!=1.20"),
        ("conda-forge::scikit-learn=1.5", "scikit-learn==1.5.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("pip=20.1", "pip"),
        ("numpy=1.19|1.20", None),
        ("numpy>=1.19|<1.2", None),
        ("numpy[version='>=1']", None),
        ("https://example.com/x.tar.bz2", None),
        ("--yes", None),
    ],
)
def test_a_conda_package_is_said_in_the_words_of_pip(spec, expected):
    assert requirement_of(spec) == expected


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python=3.6.2", "3.6.2"),
        ("python==3.8", "3.8"),
        ("python=3.8.*", "3.8.*"),
        ("python 3.9", "3.9"),
        ("conda-forge::python=3.10=h_1", "3.10"),
        ("python>=3.7,<4", ">=3.7,<4"),
        ("python", ""),
    ],
)
def test_the_version_of_python_is_no_package(spec, version):
    wanted = read(conda(spec))
    assert (wanted.python, wanted.conda) == (version, ())


@pytest.mark.parametrize("spec", ["python-dateutil=2.8", "pythonnet", "ipython=8"])
def test_a_package_that_begins_like_python_is_a_package(spec):
    assert read(conda(spec)).conda == (spec,)


def test_keys_are_read_in_any_case():
    environment = {
        "Name": "e",
        "Python": {
            "InterpreterPath": "/opt/python",
            "USERMANAGEDDEPENDENCIES": True,
            "CondaDependencies": {"Channels": ["forge"], "Dependencies": ["numpy", {"PIP": ["a", "", "b==1"]}]},
        },
    }
    wanted = read(environment)
    assert (wanted.interpreter, wanted.user_managed, wanted.asked) == ("/opt/python", True, True)
    assert (wanted.conda, wanted.pip, wanted.channels) == (("numpy",), ("a", "b==1"), ("forge",))
    assert wanted.others == ()


def test_the_python_section_alone_is_read_too():
    environment = conda("python=3.8", {"pip": ["a"]})
    assert read(environment["python"]) == read(environment)


@pytest.mark.parametrize("odd", [{}, {"python": None}, {"python": "3"}, {"python": {"condaDependencies": None}}])
def test_an_environment_may_speak_of_no_packages(odd):
    assert read(odd).asked is False


def test_everything_else_that_is_set_gets_a_line():
    environment = {
        "name": "e",
        "version": "3",
        "environmentVariables": {"A": "1"},
        "python": {"interpreterPath": "python", "baseCondaEnvironment": "base", "condaDependenciesFile": None},
        "docker": {
            "enabled": False,
            "BaseImage": "mcr.microsoft.com/azureml/base:1",
            "arguments": ["--gpus", "all"],
            "baseImageRegistry": {"address": "https://me:pw@registry.io", "password": "s3cret", "username": None},
            "sharedVolumes": True,
        },
        "spark": {"repositories": [], "packages": [{"group": "g", "artifact": "a"}]},
        "inferencingStackVersion": None,
    }
    assert read(environment).others == tuple(
        f"{what}: recorded, not applied"
        for what in (
            "python.baseCondaEnvironment = base",
            "docker.baseImage = mcr.microsoft.com/azureml/base:1",
            "docker.arguments = --gpus, all",
            "docker.baseImageRegistry.address = https://***@registry.io",
            "docker.baseImageRegistry.password = ********",
            "docker.sharedVolumes",
            "spark.packages[0].group = g",
            "spark.packages[0].artifact = a",
        )
    )


def test_odd_dependencies_get_a_line():
    environment = conda(3, {"npm": ["left-pad"]}, {"pip": "numpy"}, {"pip": ["a"], "password": "s3cret"}, prefix="/opt")
    assert read(environment).others == (
        "dependency 3: recorded, not understood",
        'dependency {"npm": ["left-pad"]}: recorded, not understood',
        'dependency {"pip": "numpy"}: recorded, not understood',
        'dependency {"password": "********"}: recorded, not understood',
        "python.condaDependencies.prefix = /opt: recorded, not applied",
    )
    assert read(conda()).others == read({"python": {"condaDependencies": "conda.yml"}}).others[1:]
    assert read({"python": {"condaDependencies": "conda.yml"}}).others == (
        "python.condaDependencies = conda.yml: recorded, not applied",
    )


def test_what_pip_is_asked_for_is_told():
    told = []
    wanted = read(conda("numpy=1", "pip=20", "a|b", {"pip": ["scipy"]}))
    assert requirements_of(wanted, told.append) == ["numpy==1.*", "scipy"]
    assert told == [
        "conda package numpy=1: taken from pip as numpy==1.*",
        "conda package pip=20: the environment has a pip of its own",
        "conda package a|b: has no equal for pip, not installed",
    ]


def test_addresses_are_shown_without_secrets():
    secret = uuid.uuid4().hex
    text = f"-i https://me:{secret}@host/simple https://a.blob/x.whl?sv=1&sig={secret} numpy?"
    assert masked(text) == "-i https://***@host/simple https://a.blob/x.whl?*** numpy?"
