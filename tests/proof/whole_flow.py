"""All that the functions and hosts do in their lives, done once, each under its own role; every call is kept.

No schedule is due by itself here, and no event arrives by chance: the flow triggers what it needs.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.sandbox.account import Account
from lab.sandbox.api import iam_permissions
from lab.sandbox.api.gateway import Answer
from lab.sandbox.api.iam_policies import Permission
from lab.sandbox.api.requests import ApiError, ApiRequest
from lab.sandbox.services import slack
from lab.sandbox.services.lambda_functions import Invocation
from tests.proof.simulated_hosts import Hosts
from tests.unit.jars import SPRING, zipped
from tests.waiting import wait_until

APP = "shop"
ROOT_APP = "front"
"""The DefaultApp: jars at the bucket's root are its own."""

SLACK_PARAMETER = "/twinslot/slack"
DEADLINE_SECONDS = 30
EVENTS = Path(__file__).parents[2] / "events"


@dataclass(frozen=True)
class Judgement:
    """One call of a role: what it needed, and whether it might."""

    role: str
    permissions: tuple[Permission, ...]
    allowed: bool


class Judgements:
    """Every judgement on a role's calls, in the order of their coming. `check` stands where the sandbox's
    own does."""

    def __init__(self) -> None:
        self.all: list[Judgement] = []
        self._check = iam_permissions.check

    def check(self, request: ApiRequest, resource_policies: dict[str, list[dict[str, Any]]]) -> None:
        principal = request.principal
        if principal is None or principal.statements is None:
            return self._check(request, resource_policies)
        role = principal.arn.split("/")[1]
        try:
            needed = iam_permissions.needed(request)
        except LookupError:
            needed = ()
        try:
            self._check(request, resource_policies)
        except ApiError:
            self.all.append(Judgement(role, needed, False))
            raise
        self.all.append(Judgement(role, needed, True))


class Flow:
    """The account's life. `outcomes` tells how each deployment ended, by what it is called here."""

    def __init__(self, aws: Account, hosts: Hosts) -> None:
        self._aws = aws
        self._hosts = hosts
        self._bucket = aws.stack.resources["Artifacts"].id
        self._dynamodb = aws.client("dynamodb")
        self._rolled_back_at = 0.0
        self.outcomes: dict[str, str] = {}

    def run(self) -> None:
        self._settings_are_set()
        self._slack_has_a_token()
        self.outcomes["first"] = self._outcome(self._upload("shop/shop.jar", "1.0.0"))
        self.outcomes["jar at the root"] = self._outcome(self._upload("front.jar", "7.0.0"))
        self._an_upload_waits_for_another()
        self.outcomes["dies"] = self._outcome(self._upload("shop/shop.jar", "2.0.0-dies"))
        self.outcomes["bakes"] = self._outcome(self._upload("shop/shop.jar", "2.0.0-bakes"))
        self.outcomes["rollback"] = self._told(deployment=self._roll_back("1.0.0"))
        self._a_rollback_cancels_an_upload()
        self._an_upload_waits_while_its_app_is_frozen()
        self._a_jar_is_none()
        self._an_object_is_gone_before_it_is_read()
        self._a_scheduled_check_repeats_a_command()
        self._reports_are_requested()
        self._a_rollback_names_no_app()
        self._a_host_joins()
        self._somebody_looks_at_the_dashboard()
        self._slack_was_told()

    def _settings_are_set(self) -> None:
        ssm = self._aws.client("ssm")
        for app in (APP, ROOT_APP):
            value = json.dumps({"bake_seconds": 1})
            ssm.put_parameter(Name=f"/twinslot/apps/{app}", Type="String", Value=value)

    def _slack_has_a_token(self) -> None:
        self._aws.client("ssm").put_parameter(Name=SLACK_PARAMETER, Type="SecureString", Value=slack.TOKEN)

    def _slack_was_told(self) -> None:
        """Of everything, once."""
        wait_until(lambda: len(self._aws.slack.messages) == len(self._aws.announcements))

    def _an_upload_waits_for_another(self) -> None:
        """SsmAndSchedule begins the second: it reads the settings and finds the hosts."""
        with self._hosts_at_rest():
            first = self._upload("shop/shop.jar", "1.1.0")
            self._handled("Deploy", first)
            second = self._upload("shop/shop.jar", "1.2.0")
            self._handled("Deploy", second)
        self.outcomes["before the waiting one"] = self._outcome(first)
        self.outcomes["waiting"] = self._outcome(second)

    def _a_rollback_cancels_an_upload(self) -> None:
        """Rollback announces the cancelled one."""
        with self._hosts_at_rest():
            upload = self._upload("shop/shop.jar", "1.3.0")
            self._handled("Deploy", upload)
            rollback = self._roll_back(None)
            self.outcomes["cancelled"] = self._outcome(upload)
        self.outcomes["rollback that cancels"] = self._told(deployment=rollback)

    def _an_upload_waits_while_its_app_is_frozen(self) -> None:
        """Freeze begins it: it reads the settings, finds the hosts, and commands them."""
        self._invoke("Freeze", {"app": APP, "freeze": True, "why": "the flow wants it"})
        upload = self._upload("shop/shop.jar", "1.3.1")
        self._handled("Deploy", upload)
        answer = self._invoke("Freeze", {"app": APP, "freeze": False})
        assert (answer["was_frozen"], answer["waiting"]) == (True, "1.3.1")
        self.outcomes["frozen"] = self._outcome(upload)

    def _a_jar_is_none(self) -> None:
        self._put("shop/broken.jar", b"no jar")
        self.outcomes["no jar"] = self._told(key="shop/broken.jar")

    def _an_object_is_gone_before_it_is_read(self) -> None:
        """The event of an upload whose very version was deleted."""
        s3, key = self._aws.client("s3"), "shop/gone.jar"
        rule = self._aws.stack.resources["DeployOnUpload"].id
        self._aws.client("events").disable_rule(Name=rule)
        version = self._put(key, b"x")
        s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        self._aws.client("events").enable_rule(Name=rule)
        event = json.loads(self._handled("Deploy", "shop/broken.jar").payload)
        event["detail"]["object"] |= {"key": key, "version-id": version}
        self._invoke("Deploy", event)
        self.outcomes["gone"] = self._told(key=key)

    def _a_scheduled_check_repeats_a_command(self) -> None:
        """SSM throttles a command; a minute later the scheduled check looks for it in SSM and sends it."""
        with self._answered_otherwise(_no_command_for_now):
            upload = self._upload("shop/shop.jar", "1.4.0")
            self._handled("Deploy", upload)
        self._let_a_minute_pass()
        self._invoke("SsmAndSchedule", {})
        self.outcomes["forgotten"] = self._outcome(upload)

    def _reports_are_requested(self) -> None:
        # Only for an app with nothing under way. An announcement leaves the outbox after it was published.
        wait_until(lambda: all(self._state(app)["busy"] == {"S": "no"} for app in (APP, ROOT_APP)))
        known = self._handled_count("SsmAndSchedule", '["report"]')
        self._invoke("SsmAndSchedule", {"twinslot": "report"})
        wait_until(lambda: self._handled_count("SsmAndSchedule", '["report"]') >= known + 2)

    def _a_rollback_names_no_app(self) -> None:
        """The error names the apps that exist."""
        name = self._aws.stack.resources["Rollback"].id
        answer = self._aws.client("lambda").invoke(FunctionName=name, Payload=b'{"app": "nope"}')
        error = json.loads(answer["Payload"].read())
        assert error["errorType"] == "UnknownApp"
        assert error["errorMessage"] == f"nope was never deployed here; there are: {ROOT_APP}, {APP}"

    def _somebody_looks_at_the_dashboard(self) -> None:
        assert f">{APP}<" in self._invoke("Widget", {"widgetContext": {}})

    def _a_host_joins(self) -> None:
        """Its association succeeds, and it reports that it holds no release."""
        host = self._hosts.add(APP)
        event = json.loads((EVENTS / "ssm-association.json").read_text())
        event["detail"]["instance-id"] = host.instance
        self._invoke("SsmAndSchedule", event)
        self.outcomes["join"] = self._told(kind="join")

    def _upload(self, key: str, label: str) -> str:
        # S3's events tell whole seconds: an upload in the second of a rollback counts as the older one.
        wait_until(lambda: int(time.time()) > self._rolled_back_at)
        return self._put(key, zipped(SPRING.replace(b"1.4.2", label.encode())))

    def _put(self, key: str, content: bytes) -> str:
        version: str = self._aws.client("s3").put_object(Bucket=self._bucket, Key=key, Body=content)[
            "VersionId"
        ]
        return version

    def _roll_back(self, to: str | None) -> str:
        answer = self._invoke("Rollback", {"app": APP, **({"to": to} if to else {})})
        self._rolled_back_at = time.time()
        return str(answer["deployment"])

    def _invoke(self, function: str, payload: dict[str, Any]) -> Any:
        name = self._aws.stack.resources[function].id
        answer = self._aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        return told

    def _outcome(self, version: str) -> str:
        """How the deployment of this upload ended."""

        def wanted(data: dict[str, Any]) -> bool:
            release = data.get("release") or {}
            return data.get("kind") == "upload" and release.get("version") == version

        return self._announced(wanted)

    def _told(self, **fields: str) -> str:
        """The outcome of the announcement that bears these fields."""
        return self._announced(lambda data: data.items() >= fields.items())

    def _announced(self, wanted: Callable[[dict[str, Any]], bool]) -> str:
        found = self._aws.announcements.wait_for(
            lambda each: each.tells_an_end and wanted(each.data), DEADLINE_SECONDS
        )
        return str(found.data["outcome"])

    def _handled(self, function: str, mark: str) -> Invocation:
        """The first invocation of the function that bears the mark, when it has ended."""
        wait_until(lambda: self._handled_count(function, mark) > 0)
        return self._invocations(function, mark)[0]

    def _handled_count(self, function: str, mark: str) -> int:
        return len(self._invocations(function, mark))

    def _invocations(self, function: str, mark: str) -> list[Invocation]:
        name = self._aws.stack.resources[function].id
        ended = self._aws.invocations
        return [each for each in ended if each.function == name and mark.encode() in each.payload]

    @contextmanager
    def _hosts_at_rest(self) -> Iterator[None]:
        self._hosts.work.clear()
        try:
            yield
        finally:
            self._hosts.work.set()

    @contextmanager
    def _answered_otherwise(
        self, around: Callable[[ApiRequest, Callable[[ApiRequest], Answer]], Answer]
    ) -> Iterator[None]:
        before, self._aws.gateway.around = self._aws.gateway.around, around
        try:
            yield
        finally:
            self._aws.gateway.around = before

    def _let_a_minute_pass(self) -> None:
        """Set the one act in the outbox back, so that the lease of its controller has passed."""

        def outbox() -> list[Any]:
            return list(self._state(APP)["outbox"]["L"])

        wait_until(lambda: [act["M"]["act"]["S"] for act in outbox()] == ["SendCommand"])
        (act,) = outbox()
        act["M"]["at"] = {"N": "0"}
        self._dynamodb.update_item(
            **self._item(APP),
            UpdateExpression="SET outbox = :outbox",
            ExpressionAttributeValues={":outbox": {"L": [act]}},
        )

    def _state(self, app: str) -> dict[str, Any]:
        item: dict[str, Any] = self._dynamodb.get_item(**self._item(app), ConsistentRead=True)["Item"]
        return item

    def _item(self, app: str) -> dict[str, Any]:
        key = {"pk": {"S": f"APP#{app}"}, "sk": {"S": "STATE"}}
        return {"TableName": self._aws.stack.resources["Table"].id, "Key": key}


def _no_command_for_now(request: ApiRequest, answer: Callable[[ApiRequest], Answer]) -> Answer:
    if request.operation == "SendCommand":
        raise ApiError("TooManyUpdates", "not now")
    return answer(request)
