"""Errors that end a command, and one-line explanations of AWS errors that name the next step."""

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
from twinslot.errors import OtherVersion, TwinslotError
from twinslot.intake.sanitize import sanitize

MAX_CHARACTERS = 600
SIGN_IN = "sign in (for example with `aws sso login`), or set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret"
OTHER_VERSION = "use the command line of the version that the stack has"
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
    """Raised before anything was started; one line with the reason and the next step. Exit code 2."""


class NotLive(Exception):
    """Raised after something was started that is not live, or not known to be live. Exit code 1."""


def is_denied(error: BaseException) -> bool:
    """Return whether AWS denied the call for lack of permission."""
    cause = _aws_cause(error)
    return isinstance(cause, ClientError) and code(cause) in DENIED


def denied_action(error: BaseException) -> str:
    """Return the denied action, such as `s3:PutObject`; the operation's name where AWS does not name it."""
    cause = _aws_cause(error)
    if not isinstance(cause, ClientError):
        return "an unknown action"
    found = ACTION.search(str(cause))
    return found[1] if found else f"the action of {cause.operation_name}"


def explain(error: BaseException) -> str:
    """Return one printable line for an error raised by an AWS client, the layer or this program."""
    cause = _aws_cause(error)
    if isinstance(cause, ClientError):
        text = _explain_response(cause)
    elif isinstance(cause, BotoCoreError):
        text = _explain_client(cause)
    elif isinstance(error, OtherVersion):
        text = f"{error}: {OTHER_VERSION}"
    else:
        text = str(error)
    return sanitize(text, MAX_CHARACTERS)


def _aws_cause(error: BaseException) -> BaseException:
    """Return the AWS client's error that the layer wrapped, or the error itself."""
    cause = error.__cause__ if isinstance(error, TwinslotError) else None
    return cause if isinstance(cause, BotoCoreError | ClientError) else error


def _explain_response(error: ClientError) -> str:
    error_code = code(error)
    if error_code in EXPIRED:
        return f"the AWS credentials have expired: {SIGN_IN}"
    if error_code in UNKNOWN_KEY:
        return f"AWS rejected these credentials ({error_code}): {SIGN_IN}"
    if error_code in DENIED:
        return (
            f"these AWS credentials have no permission for {denied_action(error)}: attach the managed policy"
            " in the stack's output OperatorPolicyArn, or ask for it"
        )
    if error_code in WRONG_CLOCK:
        return f"this machine's clock is wrong ({error_code}): correct it and retry"
    if is_temporary(error):
        return f"AWS cannot answer {error.operation_name} at present ({error_code}): retry in a minute"
    return f"{error}"


def _explain_client(error: BotoCoreError) -> str:
    match error:
        case NoCredentialsError():
            return f"no AWS credentials were found: {SIGN_IN}"
        case PartialCredentialsError() | CredentialRetrievalError():
            return f"the AWS credentials cannot be used ({error}): {SIGN_IN}"
        case SSOError() | TokenRetrievalError():
            return f"the AWS sign-in has expired ({error}): {SIGN_IN}"
        case ProfileNotFound():
            return f"{error}: set AWS_PROFILE to a profile that `aws configure list-profiles` prints"
        case NoRegionError():
            return "no AWS region is set: set AWS_REGION to the stack's, for example AWS_REGION=eu-central-1"
        case SSLError():
            return f"the connection to AWS is not secure ({error}): check the proxy and AWS_CA_BUNDLE"
        case EndpointConnectionError() | ConnectTimeoutError():
            return (
                f"AWS cannot be reached ({error}): check the network, the region (AWS_REGION) and"
                " AWS_ENDPOINT_URL"
            )
        case ReadTimeoutError() | ConnectionError() | HTTPClientError():
            return f"the connection to AWS failed ({error}): retry"
        case _:
            return f"the AWS settings cannot be used: {error}"
