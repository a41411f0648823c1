"""An app's settings, read from Parameter Store."""

from typing import TYPE_CHECKING

from twinslot.aws.calling import calling
from twinslot.domain.model import Settings
from twinslot.errors import BadSettings
from twinslot.intake.settings import parse

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

PARAMETER = "/twinslot/apps/{app}"


class SettingsReader:
    """Reads settings from Parameter Store: once per deployment and without a cache, so that a change applies
    to the next upload."""

    def __init__(self, ssm: "SSMClient") -> None:
        self._ssm = ssm

    def read(self, app: str, ignore_unknown: bool = False) -> Settings:
        """Return the settings of an app, the defaults when it has no parameter.

        With `ignore_unknown`, settings of another version of twinslot are no error.

        Raises BadSettings, also when reading the parameter is not allowed, and TryAgain.
        """
        name = PARAMETER.format(app=app)
        with calling(f"reading the parameter {name}", BadSettings):
            try:
                text = self._ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
            except self._ssm.exceptions.ParameterNotFound:
                return Settings()
        try:
            return parse(text, ignore_unknown)
        except BadSettings as error:
            raise BadSettings(f"the parameter {name} cannot be used: {error}") from error
