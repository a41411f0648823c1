"""What the person on call uses: freeze, logs, doctor; and errors of the user, in one line."""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twinslot.shared.constants import VERSION
from twinslot_cli.aws.ssm_query import Answer
from twinslot_cli.commands.doctor import read_answer

from lab.sandbox.stack.moto_backends import LOCK
from tests.cli.conftest import Run, World
from tests.proof.simulated_hosts import Host
from tests.waiting import wait_until

Twinslot = Callable[..., Run]
HEALTHY = json.dumps({"checks": [{"name": "nginx running", "ok": True, "what": "active", "remedy": ""}]})


class Well:
    """An app on which doctor finds nothing, until a test plants a fault."""

    def __init__(self, world: World) -> None:
        self.app = world.app(hosts=0)
        self.host: Host = world.hosts.add(self.app)
        self.host.answers = {"doctor": HEALTHY, "logs": "one\ntwo\n"}
        self.role = f"host-{self.host.instance}"
        iam, ec2 = world.aws.client("iam"), world.aws.client("ec2")
        profile = iam.create_instance_profile(InstanceProfileName=self.role)["InstanceProfile"]
        iam.add_role_to_instance_profile(InstanceProfileName=self.role, RoleName=self.role)
        named = {"Arn": profile["Arn"], "Name": self.role}
        ec2.associate_iam_instance_profile(InstanceId=self.host.instance, IamInstanceProfile=named)
        topic = world.aws.outputs["AnnouncementTopic"]
        queue = world.aws.client("sqs").create_queue(QueueName="reader")["QueueUrl"]
        arn = world.aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        world.aws.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
        )


@pytest.fixture(scope="module")
def well(world: World) -> Well:
    return Well(world)


def failed(run: Run) -> dict[str, str]:
    """Return the failed checks and their remedies."""
    return {each["name"]: each["remedy"] for each in run.json["checks"] if each["ok"] is False}


def test_doctor_finds_nothing_where_all_is_well(twinslot: Twinslot, well: Well) -> None:
    run = twinslot("doctor", well.app)

    assert (run.code, run.err) == (0, ""), run.out
    assert re.fullmatch(r"\d+ checks, 0 failed", run.out.splitlines()[-1])


@contextmanager
def rule_disabled(world: World, well: Well) -> Iterator[None]:
    name = world.aws.stack.resources["SsmAndScheduleEachMinute"].id
    world.aws.client("events").disable_rule(Name=name)
    yield
    world.aws.client("events").enable_rule(Name=name)


@contextmanager
def no_versions(world: World, well: Well) -> Iterator[None]:
    s3, bucket = world.aws.client("s3"), world.aws.outputs["ArtifactBucket"]
    for status in ("Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        if status == "Suspended":
            yield


@contextmanager
def no_events(world: World, well: Well) -> Iterator[None]:
    s3, bucket = world.aws.client("s3"), world.aws.outputs["ArtifactBucket"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    told = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)


@contextmanager
def bad_settings(world: World, well: Well) -> Iterator[None]:
    world.set(well.app, '{"bake_secondz": 1}')
    yield
    world.set(well.app, "{}")


@contextmanager
def dead_letter(world: World, well: Well) -> Iterator[None]:
    sqs, url = world.aws.client("sqs"), world.aws.stack.resources["DeployDeadLetters"].id
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    yield
    sqs.purge_queue(QueueUrl=url)


@contextmanager
def alarm(world: World, well: Well) -> Iterator[None]:
    cloudwatch, name = world.aws.client("cloudwatch"), world.aws.stack.resources["ScheduleAlarm"].id
    cloudwatch.put_metric_alarm(
        AlarmName=name, ComparisonOperator="LessThanThreshold", EvaluationPeriods=1, MetricName="Invocations",
        Namespace="AWS/Lambda", Period=60, Statistic="Sum", Threshold=1,
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="silent")
    yield
    cloudwatch.delete_alarms(AlarmNames=[name])


@contextmanager
def no_policy(world: World, well: Well) -> Iterator[None]:
    iam, arn = world.aws.client("iam"), world.aws.outputs["HostPolicyArn"]
    iam.detach_role_policy(RoleName=well.role, PolicyArn=arn)
    yield
    iam.attach_role_policy(RoleName=well.role, PolicyArn=arn)


@contextmanager
def another_tag(world: World, well: Well) -> Iterator[None]:
    iam = world.aws.client("iam")
    for value in ("other", well.app):
        iam.tag_role(RoleName=well.role, Tags=[{"Key": "twinslot", "Value": value}])
        if value == "other":
            yield


@contextmanager
def no_subscriber(world: World, well: Well) -> Iterator[None]:
    sns, topic = world.aws.client("sns"), world.aws.outputs["AnnouncementTopic"]
    found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    for each in found:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    yield
    for each in found:
        sns.subscribe(TopicArn=topic, Protocol=each["Protocol"], Endpoint=each["Endpoint"])


@contextmanager
def agent_gone(world: World, well: Well) -> Iterator[None]:
    silent, world.aws.run_command._silent_seconds = world.aws.run_command._silent_seconds, -1.0
    yield
    world.aws.run_command._silent_seconds = silent


@contextmanager
def host_untagged(world: World, well: Well) -> Iterator[None]:
    ec2, tags = world.aws.client("ec2"), [{"Key": "twinslot", "Value": well.app}]
    ec2.delete_tags(Resources=[well.host.instance], Tags=tags)
    yield
    ec2.create_tags(Resources=[well.host.instance], Tags=tags)


@contextmanager
def nginx_dead(world: World, well: Well) -> Iterator[None]:
    check = {"name": "nginx running", "ok": False, "what": "failed", "remedy": "systemctl start nginx"}
    well.host.answers["doctor"] = json.dumps({"checks": [check]})
    yield
    well.host.answers["doctor"] = HEALTHY


@contextmanager
def host_babbles(world: World, well: Well) -> Iterator[None]:
    well.host.answers["doctor"] = "\x1b[31m[red]{"
    yield
    well.host.answers["doctor"] = HEALTHY


@contextmanager
def document_gone(world: World, well: Well) -> Iterator[None]:
    with LOCK:
        documents = _documents()
        taken = documents.pop("twinslot-host")
    yield
    with LOCK:
        documents["twinslot-host"] = taken


def _documents() -> Any:
    from lab.sandbox.stack.moto_backends import backend

    return backend("ssm")._documents


@pytest.mark.parametrize(
    ("fault", "check", "remedy"),
    [
        (rule_disabled, "rules", "aws events enable-rule"),
        (no_versions, "bucket versioning", "aws s3api put-bucket-versioning"),
        (no_events, "bucket events", "aws s3api put-bucket-notification-configuration"),
        (bad_settings, "settings", "correct the parameter"),
        (dead_letter, "dead-letter queues", "aws sqs receive-message"),
        (alarm, "alarms", "follow the alarm's description"),
        (no_policy, "role policy", "aws iam attach-role-policy"),
        (another_tag, "role tag", "aws iam tag-role"),
        (no_subscriber, "announcements", "aws sns subscribe"),
        (agent_gone, "agent", "check that amazon-ssm-agent runs"),
        (host_untagged, "hosts", "aws ec2 create-tags"),
        (nginx_dead, "nginx running", "systemctl start nginx"),
        (host_babbles, "host's own checks", "see the command"),
        (document_gone, "document", "deploy template.yaml again"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_doctor_finds_a_planted_fault_and_its_remedy(
    world: World, twinslot: Twinslot, well: Well, fault: Any, check: str, remedy: str
) -> None:
    with fault(world, well):
        run = twinslot("doctor", well.app, "--json")

    assert run.code == 1
    assert failed(run)[check].startswith(remedy), failed(run)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checks": 5}', '{"checks": [{}]}', "[" * 5000])
def test_an_answer_of_no_use_is_a_failed_check(text: str) -> None:
    (check,) = read_answer(Answer("i-1", True, text), "shops-host")

    assert check.ok is False


def test_a_remedy_names_the_document_of_this_stack() -> None:
    remedy = "aws ssm send-command --document-name DOCUMENT --instance-ids i-1"
    told = json.dumps({"checks": [{"name": "java", "ok": False, "what": "no Java", "remedy": remedy}]})

    (check,) = read_answer(Answer("i-1", True, told), "shops-host")

    assert check.remedy == "aws ssm send-command --document-name shops-host --instance-ids i-1"


def test_logs_are_shown_host_by_host(world: World, twinslot: Twinslot) -> None:
    app = world.app(hosts=0)
    hosts = [world.hosts.add(app), world.hosts.add(app)]
    for host in hosts:
        host.answers["logs"] = "[red]started[/red] \x1b[2J\nready\n"
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    run = twinslot("logs", app, "--lines", "5")

    names = sorted(host.instance for host in hosts)
    told = ["[red]started[/red] \N{REPLACEMENT CHARACTER}[2J", "ready"]
    assert run.out.splitlines() == [f"== {names[0]}", *told, f"== {names[1]}", *told]
    assert run.code == 0


def test_while_frozen_a_deployment_waits_until_it_is_unfrozen(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)
    assert twinslot("freeze", app, "--why", "stock-taking").code == 0
    process = world.process("deploy", str(world.jar("1.1.0")), "--app", app)
    try:
        told = _read_until(process, "frozen by")
        status = twinslot("status", app)
        assert re.search(r"frozen +by .* since .*: stock-taking", status.out)

        resumed = twinslot("unfreeze", app)

        assert resumed.out.startswith(f"{app} is no longer frozen: 1.1.0 was waiting and starts now.")
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, err) == (0, "")
    assert "stock-taking" in told
    assert out.splitlines()[-1] == f"To roll back to 1.0.0: twinslot rollback {app}"


def test_ctrl_c_while_following_leaves_the_deployment_to_itself(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)
    twinslot("freeze", app, "--why", "so that it waits")
    process = world.process("deploy", str(world.jar("1.1.0")), "--app", app)
    try:
        _read_until(process, "frozen by")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert f"The deployment of {app} 1.1.0 continues. To see its state: twinslot status {app}" in out
    assert "Traceback" not in err
    twinslot("unfreeze", app)
    wait_until(lambda: "1.1.0  live" in twinslot("status", app).out)


def test_ctrl_c_while_uploading_leaves_nothing_in_the_bucket(world: World) -> None:
    app, bucket, s3 = world.app(hosts=0), world.aws.outputs["ArtifactBucket"], world.aws.client("s3")
    answer, signalled = world.aws.gateway.around, threading.Event()

    def slowly(request: Any, ask: Any) -> Any:
        if request.service == "s3" and "partNumber" in request.query:
            # No part arrives before the signal, which a busy machine may delay.
            signalled.wait(timeout=60)
            time.sleep(3)
        return answer(request, ask)

    world.aws.gateway.around = slowly
    jar = world.jar("9.0.0", size=60 * 1024**2)
    process = world.process("deploy", str(jar), "--app", app)
    try:
        wait_until(lambda: bool(s3.list_multipart_uploads(Bucket=bucket).get("Uploads")))
        process.send_signal(signal.SIGINT)
        signalled.set()
        out, err = process.communicate(timeout=60)
    finally:
        signalled.set()
        process.kill()
        process.wait()
        world.aws.gateway.around = answer
        jar.unlink()
    assert process.returncode == 130, err
    assert "The upload was aborted" in out
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=f"{app}/")


def test_a_jar_that_none_could_run_is_refused_before_it_is_uploaded(
    world: World, twinslot: Twinslot, tmp_path: Path
) -> None:
    plain = tmp_path / "shop-plain.jar"
    plain.write_bytes(world.jar("1.0.0").read_bytes())
    text = tmp_path / "notes.jar"
    text.write_text("hello")
    huge = tmp_path / "huge.jar"
    with huge.open("wb") as file:
        file.truncate(6 * 1024**3)
    for path, why in [
        (plain, "plain jar"),
        (text, "is not a jar"),
        (tmp_path, "does not end in .jar"),
        (tmp_path / "gone.jar", "No such file"),
        (huge, "the maximum is"),
        (tmp_path / "a b.jar", "rename a b.jar, whose name becomes the key"),
        (tmp_path / "상점-1.0.jar", "rename 상점-1.0.jar, whose name becomes the key"),
    ]:
        run = twinslot("deploy", str(path), "--app", "shop")
        assert (run.code, run.out) == (2, ""), path
        assert why in run.err
        assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"AWS_ACCESS_KEY_ID": None}, "no AWS credentials were found"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "AWS rejected these credentials"),
        ({"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "no AWS region is set"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS cannot be reached"),
        ({"TWINSLOT_STACK": "other"}, 'there is no stack "other" in eu-central-1'),
        ({"AWS_ENDPOINT_URL": "no address"}, "check AWS_ENDPOINT_URL"),
        ({"AWS_PROFILE": "unknown"}, "unknown"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_keeps_it_from_aws_is_an_error_of_one_line(
    twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], why: str
) -> None:
    for name, value in changed.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    run = twinslot("status")

    assert (run.code, run.out) == (2, "")
    assert why in run.err
    assert run.err.count("\n") == 1
    assert run.err.startswith("twinslot: ")


@pytest.mark.parametrize(
    "set_to",
    [
        {"AWS_REGION": "eu-central-1"},
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "us-east-1"},
    ],
    ids=" ".join,
)
def test_the_region_is_that_of_either_variable_and_aws_region_goes_first(
    twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)

    run = twinslot("status", "--stack", "other")

    assert 'there is no stack "other" in eu-central-1' in run.err


def test_an_unknown_app_is_an_error_that_names_the_known_ones(world: World, twinslot: Twinslot) -> None:
    known = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", known)
    for command in (
        ("status", "nope"), ("history", "nope"), ("logs", "nope"), ("rollback", "nope"),
        ("rollback", "nope", "--to", "1.0.0"), ("freeze", "nope", "--why", "a test"), ("unfreeze", "nope"),
    ):  # fmt: skip
        run = twinslot(*command)

        assert (run.code, run.out) == (2, ""), command
        assert re.search(rf"nope was never deployed here; there are: .*\b{known}\b", run.err), run.err
        assert run.err.count("\n") == 1


def test_doctor_checks_an_app_before_its_first_deployment(world: World, twinslot: Twinslot) -> None:
    run = twinslot("doctor", world.app())

    assert re.search(r"✓ table +app\d+ was never deployed here; there ", run.out), run.out


def test_the_old_names_of_freeze_and_unfreeze_work_and_are_hidden(world: World, twinslot: Twinslot) -> None:
    app = world.app()
    twinslot("deploy", str(world.jar("1.0.0")), "--app", app)

    held = twinslot("hold", app, "--why", "stock-taking")
    frozen = twinslot("status", app, "--json").json["apps"][0]["frozen"]
    resumed = twinslot("resume", app)

    assert held.out.startswith(f"{app} is frozen: uploads wait")
    assert frozen["why"] == "stock-taking"
    assert resumed.out == f"{app} is no longer frozen; no upload was waiting.\n"
    assert twinslot("unfreeze", app).out == f"{app} was not frozen.\n"
    assert not re.search("hold|resume", twinslot("--help").out)


def test_the_version_names_the_program(twinslot: Twinslot) -> None:
    assert twinslot("--version").out == f"twinslot {VERSION}\n"


def test_a_closed_pipe_causes_no_traceback(world: World) -> None:
    process = world.process("doctor", "unknown")
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=60) in (1, 2)
    assert process.stderr
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def _read_until(process: "subprocess.Popen[str]", mark: str) -> str:
    """Return the first line of its output that contains the mark."""
    assert process.stdout
    return next(line for line in process.stdout if mark in line)
