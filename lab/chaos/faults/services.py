"""AWS's services fail: calls are throttled or refused, and objects change during a deployment."""

import time
from collections.abc import Callable

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated, Upload
from lab.sandbox.api.gateway import Answer
from lab.sandbox.api.requests import ApiError

INVALID = ApiError("InvalidInstanceId", "instances not in a valid state for account")
LEASE_SECONDS = 130.0
"""A deployment whose act failed waits for its lease (60 s), twice at most."""


def failing(
    name: str, what: str, called: str, error: ApiError, outcome: str, seconds: float = 0.0, step: str = ""
) -> Fault:
    """Return the fault that the functions' calls of this name fail, for `seconds` from the first one on (0:
    until the end). With a `step`, only its commands fail.
    """

    def inject(target: HostUnderTest) -> Ending:
        first: list[float] = []

        def fail(call: Call, answer: Answering) -> Answer:
            is_it = call.caller and call.name.startswith(called) and call.concerns(target.app)
            if is_it and step and call.request.json.get("Parameters", {}).get("step") != [step]:
                is_it = False
            if is_it:
                first.append(time.monotonic())
                if not seconds or time.monotonic() < first[0] + seconds:
                    raise error
            return answer(call.request)

        with target.calls.intercepted(fail):
            ended = target.outcome(target.upload(), LEASE_SECONDS)
        if not first:
            raise InvariantViolated(f"{called} was not called")
        target.must_serve(target.live)
        return Ending(ended)

    # When the table fails after the publishing, the publishing cannot be recorded.
    return Fault(name, what, inject, frozenset({outcome}), may_repeat=called.startswith("dynamodb"))


def at_reading(
    by_host: bool, then: Callable[[HostUnderTest, Upload], None]
) -> Callable[[HostUnderTest], Upload]:
    """Return what uploads a release and calls `then` just before the function, or a host, first reads it."""

    def upload_and_wait(target: HostUnderTest) -> Upload:
        made: list[Upload] = []
        done: list[Call] = []

        def intercept(call: Call, answer: Answering) -> Answer:
            is_reading = call.name == "s3:GetObject" and (call.caller is None) == by_host
            if is_reading and not done and target.app in call.request.path:
                done.append(call)
                target.until(lambda: bool(made), 10, "the upload has ended")
                then(target, made[0])
            return answer(call.request)

        with target.calls.intercepted(intercept):
            made.append(target.upload())
            target.until(lambda: bool(done), 60, "the jar is read")
        return made[0]

    return upload_and_wait


def delete(target: HostUnderTest, upload: Upload) -> None:
    target.sandbox.client("s3").delete_object(
        Bucket=target.sandbox.outputs["ArtifactBucket"], Key=upload.key, VersionId=upload.version
    )


def deleted(by_host: bool) -> Callable[[HostUnderTest], Ending]:
    def inject(target: HostUnderTest) -> Ending:
        outcome = target.outcome(at_reading(by_host, delete)(target))
        target.must_serve(target.live)
        return Ending(outcome)

    return inject


def overwritten(by_host: bool) -> Callable[[HostUnderTest], Ending]:
    """Return the fault that another release is uploaded to the same key: each deployment gets its own
    version."""

    def inject(target: HostUnderTest) -> Ending:
        second: list[Upload] = []

        def overwrite(target: HostUnderTest, upload: Upload) -> None:
            second.append(target.upload(key=upload.key))

        first = at_reading(by_host, overwrite)(target)
        outcome = target.outcome(first)
        newest = target.outcome(second[0])
        if newest != "LIVE":
            raise InvariantViolated(f"the newer object ended {newest}, the older one {outcome}")
        target.must_serve(second[0].label)
        return Ending(outcome)

    return inject


GROUPS = (
    Group(
        "sns/",
        (
            failing(
                "sns/failing",
                "no message can be published for 8 s",
                "sns:Publish",
                ApiError("InternalError", "we encountered an internal error", 500),
                "LIVE",
                8,
            ),
        ),
        minutes=2,
    ),
    Group(
        "ssm/throttled",
        (
            failing(
                "ssm/throttled",
                "SendCommand is throttled for 30 s",
                "ssm:SendCommand",
                ApiError("ThrottlingException", "Rate exceeded"),
                "LIVE",
                30,
            ),
        ),
        minutes=2,
    ),
    Group(
        "services/",
        (
            failing(
                "dynamodb/throttled",
                "every call is throttled for 6 s",
                "dynamodb:",
                ApiError("ProvisionedThroughputExceededException", "exceeded"),
                "LIVE",
                6,
            ),
            failing(
                "dynamodb/failing",
                "every call fails for 2 s; the sandbox retries events 60 times as fast as Lambda",
                "dynamodb:",
                ApiError("InternalServerError", "internal server error", 500),
                "LIVE",
                2,
            ),
            failing(
                "ssm/refusing-to-stage",
                "SendCommand refuses the command to stage",
                "ssm:SendCommand",
                INVALID,
                "FAILED",
                step="stage",
            ),
            failing(
                "ssm/refusing-to-flip",
                "SendCommand refuses the command to flip",
                "ssm:SendCommand",
                INVALID,
                "REVERTED",
                step="flip",
            ),
            Fault(
                "s3/deleted-before-the-jar-is-judged",
                "the object is gone when the function reads it",
                deleted(by_host=False),
                frozenset({"REFUSED"}),
            ),
            Fault(
                "s3/deleted-before-the-download",
                "the object is gone when the host downloads it",
                deleted(by_host=True),
                frozenset({"FAILED"}),
            ),
            Fault(
                "s3/overwritten-before-the-jar-is-judged",
                "a newer object has the key when the function reads it",
                overwritten(by_host=False),
                frozenset({"LIVE", "SUPERSEDED"}),
                deployments=2,
            ),
            Fault(
                "s3/overwritten-before-the-download",
                "a newer object has the key when the host downloads it",
                overwritten(by_host=True),
                frozenset({"LIVE"}),
                deployments=2,
            ),
        ),
        minutes=3,
    ),
)
