"""Many uploads at once."""

import time
from concurrent.futures import ThreadPoolExecutor

from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import JARS, NUMBERS, HostUnderTest, InvariantViolated, Upload
from lab.samples.build import build

MANY = 20
ALL_SECONDS = 150.0


def all_in_a_second(target: HostUnderTest, same_key: bool) -> tuple[list[Upload], float]:
    """Upload MANY jars within one whole second; return the uploads and the seconds that they took."""
    labels = [f"{target.app[-3:]}-{next(NUMBERS)}" for _ in range(MANY)]
    jars = [build(JARS, label) for label in labels]
    keys = [f"{target.app}/shop-{labels[0] if same_key else label}.jar" for label in labels]
    s3, bucket = target.sandbox.client("s3"), target.sandbox.outputs["ArtifactBucket"]
    bodies = [jar.read_bytes() for jar in jars]
    s3.list_objects_v2(Bucket=bucket, MaxKeys=1)  # opens the connection
    target.until(lambda: time.time() % 1 < 0.1, 2, "a second begins")
    began = time.monotonic()

    def put(number: int) -> Upload:
        made = s3.put_object(Bucket=bucket, Key=keys[number], Body=bodies[number])
        return Upload(labels[number], keys[number], made["VersionId"])

    with ThreadPoolExecutor(1 if same_key else 8) as pool:
        uploads = list(pool.map(put, range(MANY)))
    return uploads, time.monotonic() - began


def many(target: HostUnderTest, same_key: bool) -> Ending:
    uploads, took = all_in_a_second(target, same_key)
    if took > 1.5:
        raise InvariantViolated(f"{MANY} uploads took {took:.1f} s: this machine is too slow")
    outcomes = [target.outcome(upload, ALL_SECONDS) for upload in uploads]
    odd = set(outcomes) - {"LIVE", "SUPERSEDED"}
    if odd:
        raise InvariantViolated(f"some ended {odd}")
    if same_key and outcomes[-1] != "LIVE":
        raise InvariantViolated(f"the newest ended {outcomes[-1]}")
    lives = [upload.label for upload, outcome in zip(uploads, outcomes, strict=True) if outcome == "LIVE"]
    served = target.serving()
    if served not in lives:
        raise InvariantViolated(f"users get {served}, and these went live: {lives}")
    if same_key and served != uploads[-1].label:
        raise InvariantViolated(f"users get {served} instead of the newest, {uploads[-1].label}")
    target.live = served
    return Ending("LIVE")


def two(target: HostUnderTest) -> Ending:
    """Upload another key less than a second after the first: the second upload is the newer one."""
    target.until(lambda: time.time() % 1 < 0.05, 2, "a second begins")
    first, second = target.upload(), target.upload()
    outcomes = (target.outcome(first), target.outcome(second))
    if outcomes[1] != "LIVE":
        raise InvariantViolated(f"the older ended {outcomes[0]}, the newer {outcomes[1]}")
    target.must_serve(second.label)
    return Ending(outcomes[1])


GROUPS = (
    Group(
        "uploads/",
        alone=True,
        faults=(
            Fault(
                "uploads/20-of-one-key-in-a-second",
                "the newest goes live, each has one outcome",
                lambda target: many(target, True),
                frozenset({"LIVE"}),
                deployments=MANY,
            ),
            Fault(
                "uploads/20-keys-in-a-second",
                "S3's events have whole seconds: one of them goes live last",
                lambda target: many(target, False),
                frozenset({"LIVE"}),
                deployments=MANY,
            ),
            Fault(
                "uploads/two-keys-in-a-second",
                "the second upload is the newer one",
                two,
                frozenset({"LIVE"}),
                deployments=2,
            ),
        ),
    ),
)
