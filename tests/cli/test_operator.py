"""The policy for operators suffices for every command, and a command needs each of its actions."""

from collections.abc import Callable
from typing import Any

import pytest

from lab.sandbox.api import iam_permissions
from lab.sandbox.api.iam_policies import Permission, may
from lab.sandbox.api.principals import Principal
from lab.sandbox.stack.moto_backends import LOCK, REGION
from tests.cli.conftest import Run, World
from tests.cli.test_operation import Well
from tests.proof.simulated_hosts import host_role

UNSEEN = {"s3:AbortMultipartUpload": "only an upload that is broken off needs it; its own test does that"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _operator(world: World, name: str) -> Principal:
    """Return a principal that has the stack's OperatorPolicy and nothing else."""
    iam = world.aws.client("iam")
    host_role(world.aws, name, {})
    iam.detach_role_policy(RoleName=name, PolicyArn=world.aws.outputs["HostPolicyArn"])
    iam.attach_role_policy(RoleName=name, PolicyArn=world.aws.outputs["OperatorPolicyArn"])
    with LOCK:
        return world.aws.principals.assume(name, "alice")


def test_the_operators_policy_suffices_and_is_needed(
    world: World, twinslot: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    well = Well(world)
    operator = _operator(world, "operator")
    for name, value in operator.variables().items():
        monkeypatch.setenv(name, value)
    needed: list[Permission] = []
    check = iam_permissions.check

    def kept(request: Any, resource_policies: Any) -> None:
        if request.principal is operator and (request.service, request.operation) not in iam_permissions.FREE:
            needed.extend(iam_permissions.needed(request))
        check(request, resource_policies)

    monkeypatch.setattr(iam_permissions, "check", kept)
    large = world.jar("1.1.0", size=9 * 1024**2)
    runs = [
        twinslot("deploy", str(world.jar("1.0.0")), "--app", well.app),
        twinslot("deploy", str(large), "--app", well.app),
        twinslot("rollback", well.app),
        twinslot("freeze", well.app, "--why", "a test"),
        twinslot("unfreeze", well.app),
        twinslot("status"),
        twinslot("history", well.app),
        twinslot("logs", well.app),
        twinslot("doctor", well.app),
    ]

    assert [(run.code, run.err) for run in runs] == [(0, "")] * len(runs), runs
    assert "operator/alice" in runs[6].out
    statements = operator.statements
    assert statements is not None
    for number, statement in enumerate(statements):
        if statement["Effect"] == "Deny":
            continue
        for action in listed(statement["Action"]):
            left = [each for each in listed(statement["Action"]) if each != action]
            changed = [{**statement, "Action": left}] if left else []
            without = [*statements[:number], *changed, *statements[number + 1 :]]
            missed = [one for one in needed if not may(without, one)]
            assert bool(missed) != (action in UNSEEN), UNSEEN.get(action, f"nothing needs {action}")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ssm:GetParameter", f"arn:aws:ssm:{REGION}:123456789012:parameter/twinslot/apps/shop/env/PASSWORD"),
        ("s3:GetObject", "arn:aws:s3:::twinslot-artifacts/shop/shop.jar"),
        ("dynamodb:PutItem", f"arn:aws:dynamodb:{REGION}:123456789012:table/twinslot-Table"),
    ],
)
def test_an_operator_may_not_read_secrets_or_write_the_table(
    world: World, action: str, resource: str
) -> None:
    operator = _operator(world, f"operator-{action.replace(':', '-')}")

    assert operator.statements
    assert not may(operator.statements, Permission(action, resource))


def test_a_check_without_permission_is_unknown_and_names_the_action(
    world: World, twinslot: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = iam_permissions.check

    def but_for_iam(request: Any, resource_policies: Any) -> None:
        if request.service == "iam":
            raise iam_permissions.ApiError(
                "AccessDenied", f"User: x is not authorized to perform: iam:{request.operation} on y", 403
            )
        check(request, resource_policies)

    well = Well(world)
    monkeypatch.setattr(iam_permissions, "check", but_for_iam)

    run = twinslot("doctor", well.app, "--json")

    assert run.code == 0
    (unknown,) = [each for each in run.json["checks"] if each["ok"] is None]
    assert unknown["what"] == "not checked: no permission for iam:GetInstanceProfile"
