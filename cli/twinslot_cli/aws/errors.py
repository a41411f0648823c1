"""Why a command could not be done, in one line that says what to do about it."""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from twinslot.aws.calling import code, is_temporary
from twinslot.errors import TwinslotError
from twinslot.intake.sanitize import sanitize

LONGEST = 600
SIGN_IN = "sign in (for example with `aws sso login`), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret"
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
UNKNOWN_KEY = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
    | {"UnauthorizedOperation", "Client.UnauthorizedOperation", "Forbidden", "403"}
)
WRONG_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
ACTION = re.compile(r"perform: ([a-z0-9-]+:[A-Za-z0-9]+)")


class CannotWork(Exception):
    """Nothing was begun, and the text says in one line why and what to do. Exit code 2."""


class NotLive(Exception):
    """Something was begun that is not (known to be) live; the text says more. Exit code 1."""


def is_denied(error: BaseException) -> bool:
    """Whether AWS said that the caller may not do this."""
    cause = _of_aws(error)
    return isinstance(cause, ClientError) and code(cause) in DENIED


def denied_action(error: BaseException) -> str:
    """The action that the caller lacks, such as `s3:PutObject`, as far as AWS's answer names it."""
    cause = _of_aws(error)
    if not isinstance(cause, ClientError):
        return "an unknown action"
    told = ACTION.search(str(cause))
    return told[1] if told else f"the action of {cause.operation_name}"


def explained(error: BaseException) -> str:
    """One printable line for an error of AWS's clients, of the layer or of this program."""
    cause = _of_aws(error)
    if isinstance(cause, ClientError):
        text = _of_answer(cause)
    elif isinstance(cause, BotoCoreError):
        text = _of_client(cause)
    else:
        text = str(error)
    return sanitize(text, LONGEST)


def _of_aws(error: BaseException) -> BaseException:
    """The AWS client's error behind one of the layer's."""
    return error.__cause__ if isinstance(error, TwinslotError) and error.__cause__ else error


def _of_answer(error: ClientError) -> str:
    told = code(error)
    if told in EXPIRED:
        return f"the AWS credentials have expired: {SIGN_IN}"
    if told in UNKNOWN_KEY:
        return f"AWS does not know these credentials ({told}): {SIGN_IN}"
    if told in DENIED:
        return (
            f"these AWS credentials may not do {denied_action(error)}: the managed policy that the stack"
            " prints as OperatorPolicyArn allows what twinslot needs"
        )
    if told in WRONG_CLOCK:
        return f"AWS finds that this machine's clock is wrong ({told}): set it and try again"
    if is_temporary(error):
        return f"AWS cannot answer {error.operation_name} at present ({told}): try again"
    return f"{error}"


def _of_client(error: BotoCoreError) -> str:
    match error:
        case NoCredentialsError():
            return f"there are no AWS credentials: {SIGN_IN}"
        case PartialCredentialsError() | CredentialRetrievalError():
            return f"the AWS credentials cannot be used ({error}): {SIGN_IN}"
        case SSOError() | TokenRetrievalError():
            return f"the AWS sign-in has expired ({error}): {SIGN_IN}"
        case ProfileNotFound():
            return f"{error}: set AWS_PROFILE to one of the profiles that `aws configure list-profiles` tells"
        case NoRegionError():
            return "no AWS region is set: set AWS_REGION to the stack's, for example AWS_REGION=eu-central-1"
        case SSLError():
            return f"the connection to AWS is not secure ({error}): look at the proxy and AWS_CA_BUNDLE"
        case EndpointConnectionError() | ConnectTimeoutError():
            return (
                f"AWS cannot be reached ({error}): look at the network, the region (AWS_REGION) and"
                " AWS_ENDPOINT_URL"
            )
        case ReadTimeoutError() | ConnectionError() | HTTPClientError():
            return f"the connection to AWS broke ({error}): try again"
    return f"the AWS settings cannot be used: {error}"
