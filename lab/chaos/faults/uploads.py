"""Many uploads at once."""

import time
from concurrent.futures import ThreadPoolExecutor

from lab.chaos.fault import Ending, Fault, Group
from lab.chaos.host_under_test import HostUnderTest, InvariantViolated, Upload
from lab.samples.build import build

MANY = 20
ALL_SECONDS = 150.0


def all_in_a_second(station: HostUnderTest, same_key: bool) -> tuple[list[Upload], float]:
    """Jars that are built already are uploaded within one second of the clock; how long that took."""
    from lab.chaos.host_under_test import JARS, NUMBERS

    labels = [f"{station.app[-3:]}-{next(NUMBERS)}" for _ in range(MANY)]
    jars = [build(JARS, label) for label in labels]
    keys = [f"{station.app}/shop-{labels[0] if same_key else label}.jar" for label in labels]
    s3, bucket = station.sandbox.client("s3"), station.sandbox.outputs["ArtifactBucket"]
    bodies = [jar.read_bytes() for jar in jars]
    s3.list_objects_v2(Bucket=bucket, MaxKeys=1)  # opens the connection
    station.until(lambda: time.time() % 1 < 0.1, 2, "a second begins")
    began = time.monotonic()

    def put(number: int) -> Upload:
        made = s3.put_object(Bucket=bucket, Key=keys[number], Body=bodies[number])
        return Upload(labels[number], keys[number], made["VersionId"])

    with ThreadPoolExecutor(1 if same_key else 8) as pool:
        uploads = list(pool.map(put, range(MANY)))
    return uploads, time.monotonic() - began


def many(station: HostUnderTest, same_key: bool) -> Ending:
    uploads, took = all_in_a_second(station, same_key)
    if took > 1.5:
        raise InvariantViolated(
            f"the uploads took {took:.1f} s: this machine is too slow for {MANY} in a second"
        )
    outcomes = [station.outcome(upload, ALL_SECONDS) for upload in uploads]
    odd = set(outcomes) - {"LIVE", "SUPERSEDED"}
    if odd:
        raise InvariantViolated(f"some ended {odd}")
    if same_key and outcomes[-1] != "LIVE":
        raise InvariantViolated(f"the newest ended {outcomes[-1]}")
    lives = [upload.label for upload, outcome in zip(uploads, outcomes, strict=True) if outcome == "LIVE"]
    served = station.serving()
    if served not in lives:
        raise InvariantViolated(f"users get {served}, and these went live: {lives}")
    if same_key and served != uploads[-1].label:
        raise InvariantViolated(f"users get {served} instead of the newest, {uploads[-1].label}")
    station.live = served
    return Ending("LIVE")


def two(station: HostUnderTest) -> Ending:
    """A second upload of another key, less than a second after the first: it is the newer one."""
    station.until(lambda: time.time() % 1 < 0.05, 2, "a second begins")
    first, second = station.upload(), station.upload()
    outcomes = (station.outcome(first), station.outcome(second))
    if outcomes[1] != "LIVE":
        raise InvariantViolated(f"the older ended {outcomes[0]}, the newer {outcomes[1]}")
    station.must_serve(second.label)
    return Ending(outcomes[1])


GROUPS = (
    Group(
        "uploads/",
        alone=True,
        faults=(
            Fault(
                "uploads/20-of-one-key-in-a-second",
                "the newest goes live, each has one outcome",
                lambda station: many(station, True),
                frozenset({"LIVE"}),
                deployments=MANY,
            ),
            Fault(
                "uploads/20-keys-in-a-second",
                "S3 tells their times in whole seconds: one of them goes live last",
                lambda station: many(station, False),
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
