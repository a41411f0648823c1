"""Errors of AWS and failed deployments are reported in one line, with an exit code that scripts can use."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.sandbox.api.requests import ApiError, ApiRequest
from tests.cli.conftest import Run, World

Twinslot = Callable[..., Run]


@pytest.fixture
def app(world: World, twinslot: Twinslot) -> str:
    """An app whose release 1.0.0 is live."""
    app = world.app()
    assert twinslot("deploy", str(world.jar("1.0.0")), "--app", app).code == 0
    return app


@contextmanager
def refusing(world: World, code: str, text: str, operation: str = "") -> Iterator[None]:
    """AWS refuses this operation of the operator, or every one; the functions' calls are not affected."""
    answer = world.aws.gateway.around
    operator = world.aws.principals.administrator

    def refuse(request: ApiRequest, ask: Any) -> Any:
        if request.principal is operator and operation in ("", request.operation):
            raise ApiError(code, text, 403)
        return answer(request, ask)

    world.aws.gateway.around = refuse
    try:
        yield
    finally:
        world.aws.gateway.around = answer


def is_one_line(run: Run) -> bool:
    return run.err.startswith("twinslot: ") and run.err.count("\n") == 1


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_are_an_error_that_names_how_to_renew_them(
    world: World, twinslot: Twinslot, code: str
) -> None:
    with refusing(world, code, "The security token included in the request is expired"):
        run = twinslot("status")

    assert (run.code, run.out) == (2, "")
    assert is_one_line(run)
    assert "the AWS credentials have expired: sign in (for example with `aws sso login`)" in run.err


DENIALS = [
    (("status", "{app}"), "DescribeStacks", "cloudformation:DescribeStacks"),
    (("status", "{app}"), "GetItem", "dynamodb:GetItem"),
    (("history", "{app}"), "Query", "dynamodb:Query"),
    (("deploy", "{jar}", "--app", "{app}"), "PutObject", "s3:PutObject"),
    (("rollback", "{app}"), "Invoke", "lambda:InvokeFunction"),
    (("freeze", "{app}", "--why", "a test"), "Invoke", "lambda:InvokeFunction"),
    (("unfreeze", "{app}"), "Invoke", "lambda:InvokeFunction"),
    (("logs", "{app}"), "SendCommand", "ssm:SendCommand"),
]


def test_a_denied_action_is_named(world: World, twinslot: Twinslot, app: str) -> None:
    for arguments, operation, action in DENIALS:
        given = [each.format(app=app, jar=world.jar("1.1.0")) for each in arguments]
        text = f"User: arn:aws:iam::123456789012:user/alice is not authorized to perform: {action} on: x"

        with refusing(world, "AccessDenied", text, operation):
            run = twinslot(*given)

        assert run.code == 2, run
        assert is_one_line(run), run
        assert f"these AWS credentials have no permission for {action}: attach the managed policy" in run.err
    assert "1.0.0  live" in twinslot("status", app).out


def test_the_same_error_in_json_is_one_document(world: World, twinslot: Twinslot) -> None:
    with refusing(world, "ExpiredToken", "expired"):
        run = twinslot("status", "--json")

    assert run.code == 2
    assert set(run.json) == {"twinslot", "error"}


def test_a_stack_of_another_region_is_not_found(twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    for verb in ("status", "history", "logs", "doctor", "rollback", "unfreeze"):
        run = twinslot(verb, "shop")

        assert (run.code, run.out) == (2, ""), verb
        assert is_one_line(run), run
        assert 'there is no stack "twinslot" in us-east-1: set --stack or TWINSLOT_STACK' in run.err


def test_a_region_that_does_not_exist_cannot_be_reached(
    twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "no region")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "no region")

    run = twinslot("status")

    assert (run.code, run.out) == (2, "")
    assert is_one_line(run)
    assert "no region" in run.err


def test_an_upload_that_is_refused_says_why(world: World, twinslot: Twinslot, app: str) -> None:
    world.set(app, '{"bake_secondz": 1}')

    run = twinslot("deploy", str(world.jar("1.1.0")), "--app", app)

    assert (run.code, run.err) == (1, "")
    assert re.search(r"^REFUSED after .*\. Nothing was changed\. Live now: 1\.0\.0\.$", run.out, re.MULTILINE)
    assert "bake_secondz" in run.out


def test_an_upload_that_a_newer_one_overtakes_is_superseded(
    world: World, twinslot: Twinslot, app: str
) -> None:
    twinslot("freeze", app, "--why", "so that it waits")
    with world.process("deploy", str(world.jar("1.1.0")), "--app", app) as process:
        until(process, "frozen by")
        newer = world.jar("1.2.0")
        world.aws.client("s3").upload_file(
            str(newer), world.aws.outputs["ArtifactBucket"], f"{app}/{newer.name}"
        )
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")
    assert re.search(r"^SUPERSEDED after .*\. A newer upload or a rollback took its place", out, re.MULTILINE)


def test_a_deployment_that_a_rollback_ends_is_cancelled(world: World, twinslot: Twinslot, app: str) -> None:
    assert twinslot("deploy", str(world.jar("1.1.0")), "--app", app).code == 0
    world.hosts.work.clear()
    try:
        with world.process("deploy", str(world.jar("1.2.0")), "--app", app) as process:
            until(process, "staging")
            with world.process("rollback", app) as back:
                until(back, "rollback to 1.0.0: ")
                world.hosts.work.set()
                out, err = process.communicate(timeout=60)
                told, _ = back.communicate(timeout=60)
    finally:
        world.hosts.work.set()
    assert (process.returncode, err) == (1, "")
    assert re.search(r"^CANCELLED after .*\. A rollback cancelled it\. Live now: ", out, re.MULTILINE)
    assert back.returncode == 0, told


def until(process: "subprocess.Popen[str]", mark: str) -> str:
    """Return the first line of its output that contains the mark."""
    assert process.stdout
    return next(line for line in process.stdout if mark in line)
