"""An app's settings come from its parameter; that it may be missing, and only that, is no trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from twinslot.aws.parameters import SettingsReader
from twinslot.domain.model import Settings
from twinslot.errors import BadSettings, TryAgain

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


def test_an_app_without_a_parameter_has_the_defaults(ssm: SSMClient) -> None:
    assert SettingsReader(ssm).read("shop") == Settings()


def test_an_apps_parameter_is_its_own(ssm: SSMClient) -> None:
    ssm.put_parameter(Name="/twinslot/apps/shop", Value='{"bake_seconds": 7}', Type="String")
    reader = SettingsReader(ssm)
    assert reader.read("shop") == Settings(bake_seconds=7)
    assert reader.read("billing") == Settings()


def test_a_change_counts_at_once(ssm: SSMClient) -> None:
    reader = SettingsReader(ssm)
    for seconds in (7, 8):
        value = f'{{"bake_seconds": {seconds}}}'
        ssm.put_parameter(Name="/twinslot/apps/shop", Value=value, Type="String", Overwrite=True)
        assert reader.read("shop").bake_seconds == seconds


def test_a_bad_parameter_is_named_with_its_key(ssm: SSMClient) -> None:
    ssm.put_parameter(Name="/twinslot/apps/shop", Value='{"bake_second": 7}', Type="String")
    with pytest.raises(BadSettings, match=r'/twinslot/apps/shop cannot be used: .*"bake_second"'):
        SettingsReader(ssm).read("shop")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParameter"), TryAgain),
        (ConnectTimeoutError(endpoint_url="https://ssm"), TryAgain),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter"), BadSettings),
    ],
)
def test_a_parameter_that_cannot_be_read_is_not_taken_for_a_missing_one(
    ssm: SSMClient, error: Exception, expected: type[Exception]
) -> None:
    def fail(**_: object) -> None:
        raise error

    events: Any = ssm.meta.events
    events.register("before-call.ssm.GetParameter", fail)
    with pytest.raises(expected, match="reading the parameter /twinslot/apps/shop"):
        SettingsReader(ssm).read("shop")
