"""AWS's services fail: DynamoDB throttles, SNS and SSM refuse, objects change under everyone's hands."""

import time
from collections.abc import Callable

from lab.chaos.calls import Answering, Call
from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated, Upload
from lab.sandbox.api.gateway import Answer
from lab.sandbox.api.requests import ApiError

INVALID = ApiError("InvalidInstanceId", "instances not in a valid state for account")
LEASE_SECONDS = 130.0
"""A deployment whose act failed waits for its lease (60 s), maybe twice."""


def failing(
    name: str, what: str, called: str, error: ApiError, outcome: str, seconds: float = 0.0, step: str = ""
) -> Fault:
    """The functions' calls of this name fail, for so many seconds from the first one on; 0: to the end.

    `step` fails commands of this step alone.
    """

    def inject(station: HostUnderTest) -> Ending:
        first: list[float] = []

        def fail(call: Call, answer: Answering) -> Answer:
            is_it = call.caller and call.name.startswith(called) and call.concerns(station.app)
            if is_it and step and call.request.json.get("Parameters", {}).get("step") != [step]:
                is_it = False
            if is_it:
                first.append(time.monotonic())
                if not seconds or time.monotonic() < first[0] + seconds:
                    raise error
            return answer(call.request)

        with station.calls.intercepted(fail):
            ended = station.outcome(station.upload(), LEASE_SECONDS)
        if not first:
            raise InvariantViolated(f"no call of {called} came")
        station.must_serve(station.live)
        return Ending(ended)

    # Where the table fails after the message was published, that it was cannot be noted.
    return Fault(name, what, inject, frozenset({outcome}), repeats=called.startswith("dynamodb"))


def at_reading(
    by_host: bool, then: Callable[[HostUnderTest, Upload], None]
) -> Callable[[HostUnderTest], Upload]:
    """Uploads; when the jar is first read, by the function or by a host, `then` comes first."""

    def upload_and_wait(station: HostUnderTest) -> Upload:
        made: list[Upload] = []
        done: list[Call] = []

        def intercept(call: Call, answer: Answering) -> Answer:
            is_reading = call.name == "s3:GetObject" and (call.caller is None) == by_host
            if is_reading and not done and station.app in call.request.path:
                done.append(call)
                station.until(lambda: bool(made), 10, "the upload has an answer")
                then(station, made[0])
            return answer(call.request)

        with station.calls.intercepted(intercept):
            made.append(station.upload())
            station.until(lambda: bool(done), 60, "the jar is read")
        return made[0]

    return upload_and_wait


def delete(station: HostUnderTest, upload: Upload) -> None:
    station.sandbox.client("s3").delete_object(
        Bucket=station.sandbox.outputs["ArtifactBucket"], Key=upload.key, VersionId=upload.version
    )


def deleted(by_host: bool) -> Callable[[HostUnderTest], Ending]:
    def inject(station: HostUnderTest) -> Ending:
        outcome = station.outcome(at_reading(by_host, delete)(station))
        station.must_serve(station.live)
        return Ending(outcome)

    return inject


def overwritten(by_host: bool) -> Callable[[HostUnderTest], Ending]:
    """Another release is put under the same key: each deployment has the bytes of its own version."""

    def inject(station: HostUnderTest) -> Ending:
        second: list[Upload] = []

        def overwrite(station: HostUnderTest, upload: Upload) -> None:
            second.append(station.upload(key=upload.key))

        first = at_reading(by_host, overwrite)(station)
        outcome = station.outcome(first)
        newest = station.outcome(second[0])
        if newest != "LIVE":
            raise InvariantViolated(f"the newer object ended {newest}, the older one {outcome}")
        station.must_serve(second[0].label)
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
                "every call fails for 2 s; the sandbox repeats events 60 times as fast as Lambda",
                "dynamodb:",
                ApiError("InternalServerError", "internal server error", 500),
                "LIVE",
                2,
            ),
            failing(
                "ssm/refusing-to-stage",
                "SendCommand takes no command for staging",
                "ssm:SendCommand",
                INVALID,
                "FAILED",
                step="stage",
            ),
            failing(
                "ssm/refusing-to-flip",
                "SendCommand takes no command for the flip",
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
