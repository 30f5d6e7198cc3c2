"""rest/clouds.py: which hosts may see a token, and clouds out of metadata documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azml_magics.errors import UsageError
from azml_magics.rest.clouds import CLOUDS, by_name, from_metadata, is_metadata_url

PUBLIC = CLOUDS["AzureCloud"]
GOVERNMENT = CLOUDS["AzureUSGovernment"]


def entry(**changes):
    return {
        "name": "Private",
        "portal": "https://portal.azure.eaglex.ic.gov/",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.eaglex.ic.gov/",
            "audiences": ["https://management.core.eaglex.ic.gov/", "https://management.azure.eaglex.ic.gov/"],
        },
        "resourceManager": "https://management.azure.eaglex.ic.gov/",
        "suffixes": {"storage": "core.eaglex.ic.gov"},
    } | changes


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com/subscriptions?api-version=2020-01-01",
        "https://MANAGEMENT.azure.com:443/",
        "https://centralus.api.azureml.ms/history/v1.0/x",
        "https://0b1c.workspace.westeurope.api.azureml.ms/discovery",
        "https://emulator.experiments.azureml.net/history",
        "https://emulator.modelmanagement.azureml.net",
        "HTTPS://eastus.api.azureml.ms",
        "https://eastus.api.azureml.ms/history?$filter=name eq 'a|b'&n=训练#x",
    ],
)
def test_tokens_go_to_arm_and_to_regional_servers(url):
    assert PUBLIC.trusted(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://management.azure.com/",
        "https://management.azure.com:8443/",
        "https://management.azure.com:0/",
        "https://management.azure.com:/",
        "https://management.azure.com:x/",
        "https://evil.example/",
        "https://management.azure.com.evil.example/",
        "https://xmanagement.azure.com/",
        "https://sub.management.azure.com/",
        "https://api.azureml.ms/",
        "https://evilapi.azureml.ms/",
        "https://eastus.api.azureml.ms.evil.example/",
        "https://eastus.api.azureml.ms:444/",
        "https://eastus.api.azureml.ms./",
        "https://.api.azureml.ms/",
        "https://a..api.azureml.ms/",
        "https://-a.api.azureml.ms/",
        "https://management.azure.com@evil.example/",
        "https://user:pass@management.azure.com/",
        "https://@management.azure.com/",
        "https://evil.example\\@management.azure.com/",
        "https://evil.example\\.api.azureml.ms/",
        "https://evil.example#.api.azureml.ms/",
        "https://evil.example?.api.azureml.ms/",
        "https://evil.example/.api.azureml.ms/",
        "https://evil.example%2f.api.azureml.ms/",
        "https://evil.example .api.azureml.ms/",
        "https://evil.example\t.api.azureml.ms/",
        "https://management.azure.com\n.evil.example/",
        "https://evil\u3002api.azureml.ms/",
        "https://man\uff41gement.azure.com/",
        "https://[::1].api.azureml.ms/",
        "https://[management.azure.com]/",
        "https:management.azure.com/",
        "https:///management.azure.com/",
        "//management.azure.com/",
        " https://management.azure.com/",
        "https://eastus.api.azureml.ms\\.evil.example/",
        "/subscriptions",
        "",
        "https://account.blob.core.windows.net/container/blob?sig=x",
        "https://name.eastus.inference.ml.azure.com/score",
        "https://ml.azure.com/",
        "https://management.usgovcloudapi.net/",
    ],
)
def test_tokens_go_nowhere_else(url):
    assert not PUBLIC.trusted(url)


def test_a_cloud_does_not_trust_another_ones_hosts():
    assert GOVERNMENT.trusted("https://usgovarizona.api.ml.azure.us/history")
    assert not PUBLIC.trusted("https://usgovarizona.api.ml.azure.us/history")
    assert not GOVERNMENT.trusted("https://eastus.api.azureml.ms/")
    assert not GOVERNMENT.trusted("https://x.eastus2.inference.ml.azure.us/score")


@given(st.text(max_size=40))
def test_no_text_in_front_of_a_foreign_host_makes_it_trusted(text):
    assert not PUBLIC.trusted(f"https://{text}.evil.example/api.azureml.ms")
    assert not PUBLIC.trusted(f"https://evil.example/{text}")


@given(st.text(max_size=60))
def test_judging_any_text_never_raises(text):
    assert PUBLIC.trusted(text) in (True, False)
    assert PUBLIC.trusted("https://" + text) in (True, False)


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=list(CLOUDS))
def test_every_clouds_own_addresses_are_plain(cloud):
    assert cloud.trusted(cloud.arm)
    assert cloud.trusted(f"https://region.{cloud.data_suffixes[0]}/discovery")
    assert not any(url.endswith("/") for url in (cloud.login, cloud.arm, cloud.arm_audience, cloud.ml_audience))
    assert not any(d.endswith(s) or s.endswith(d) for d in cloud.data_suffixes for s in cloud.scoring_suffixes)


def test_a_cloud_is_found_by_name_in_any_case():
    assert by_name("azurecloud") is PUBLIC
    with pytest.raises(UsageError, match="--cloud AzureChinaCloud"):
        by_name("AzureChina")


def test_a_url_is_told_from_a_name():
    assert is_metadata_url("https://localhost:8443/metadata/endpoints")
    assert not is_metadata_url("AzureCloud")


def test_metadata_of_a_private_cloud_is_read():
    cloud = from_metadata(entry())
    assert (cloud.name, cloud.arm) == ("Private", "https://management.azure.eaglex.ic.gov")
    assert cloud.login == "https://login.microsoftonline.eaglex.ic.gov"
    assert cloud.arm_audience == "https://management.azure.eaglex.ic.gov"
    assert cloud.ml_audience == "https://ml.azure.eaglex.ic.gov"
    assert cloud.storage_suffix == "core.eaglex.ic.gov"
    assert cloud.trusted("https://east.api.ml.azure.eaglex.ic.gov/history")
    assert not cloud.trusted("https://eastus.api.azureml.ms/history")


def test_an_audience_of_another_host_keeps_its_slash():
    document = entry(authentication={"loginEndpoint": "https://login.x", "audiences": ["https://management.core.x/"]})
    assert from_metadata(document).arm_audience == "https://management.core.x/"


def test_metadata_of_a_known_arm_host_brings_the_known_servers():
    document = entry(
        name="AzureCloud", resourceManager="https://management.azure.com/", portal="https://portal.azure.com"
    )
    cloud = from_metadata(document)
    assert cloud.data_suffixes == PUBLIC.data_suffixes
    assert cloud.login == "https://login.microsoftonline.eaglex.ic.gov"


def test_metadata_of_a_loopback_address_trusts_that_address_and_port_only():
    document = entry(name="AzureCloud", resourceManager="https://localhost:8443", portal="https://localhost:8443/")
    cloud = from_metadata([document])
    assert cloud.trusted("https://localhost:8443/subscriptions")
    assert not cloud.trusted("https://localhost/subscriptions")
    assert not cloud.trusted("https://localhost:8444/subscriptions")
    assert not cloud.trusted("https://eastus.api.azureml.ms/")


def test_the_cloud_meant_is_chosen_out_of_a_list():
    listed = [entry(name="A", resourceManager="https://a.example"), entry(name="AzureCloud"), entry(name="C")]
    assert from_metadata(listed).name == "AzureCloud"
    assert from_metadata(listed, "c").name == "C"
    assert from_metadata(listed, url="https://a.example/metadata/endpoints?api-version=2019-05-01").name == "A"
    with pytest.raises(UsageError, match="no cloud 'D': A, AzureCloud, C"):
        from_metadata(listed, "D")
    with pytest.raises(UsageError, match="several clouds: A, C"):
        from_metadata([listed[0], listed[2]])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        entry(resourceManager="http://management.example"),
        entry(resourceManager="https://user@management.example"),
        entry(resourceManager=5),
        entry(authentication=None),
        entry(authentication={"loginEndpoint": "http://login.example"}),
    ],
)
def test_metadata_without_https_addresses_is_refused(document):
    with pytest.raises(UsageError):
        from_metadata(document)
