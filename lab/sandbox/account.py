"""The AWS account of a sandbox: creates the stack of template.yaml and connects its parts."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from lab.sandbox.api.gateway import Answer, Gateway
from lab.sandbox.api.principals import Principals
from lab.sandbox.api.requests import ApiError, ApiRequest
from lab.sandbox.services import s3_events, ssm_api
from lab.sandbox.services.eventbridge import EventBus, queue_name
from lab.sandbox.services.imds import HostServices
from lab.sandbox.services.lambda_functions import (
    CONCURRENCY,
    Function,
    Functions,
    FunctionSpec,
    Invocation,
    Retry,
    Throttled,
)
from lab.sandbox.services.run_command import Change, RunCommand
from lab.sandbox.services.slack import Slack
from lab.sandbox.services.sns import Announcement, Announcements, lambda_event, redriven
from lab.sandbox.services.ssm_api import SsmApi
from lab.sandbox.services.state_manager import Association, StateManager
from lab.sandbox.stack import moto_hooks, resources, template
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION, backend, forget_everything
from lab.sandbox.stack.moto_hooks import Hooks, Message
from lab.sandbox.stack.resources import Resource, Stack
from lab.sandbox.stack.template import TemplateError, Translated

STACK_NAME = "twinslot"
ASYNCHRONOUS_ANSWER: Answer = (202, {"Content-Type": "application/json"}, b"")

KEPT_INVOCATIONS = 1_000
"""Only recent ones are read, and an open page makes one a second, with its HTML."""


@dataclass(frozen=True)
class Pace:
    """Where the sandbox is faster than AWS. All values but the factor are in seconds."""

    schedule_factor: float = 12.0
    """With 12, a rate of one minute runs every five seconds."""

    retry_seconds: tuple[float, ...] = (1.0, 2.0)
    """Pauses before the retries of an asynchronous invocation (Lambda: 60, 120)."""

    agent_latency: float = 0.0
    """From SendCommand until an agent gets the command (AWS: about a second)."""

    agent_silence: float = 6.0
    """Without a poll for so long, an agent counts as offline (AWS: minutes)."""


@dataclass(frozen=True)
class Listener:
    """Callbacks for what happens. They are called by many threads, some of which hold the backends' LOCK."""

    event: Callable[[dict[str, Any]], None] = lambda event: None
    announcement: Callable[[Announcement], None] = lambda announcement: None
    invocation: Callable[[Invocation], None] = lambda invocation: None


class Account:
    """The account, from its creation until `close`. Only one can exist in a process at a time.

    `address` is where the endpoint listens; `logs` is a folder for the functions' output.
    """

    def __init__(
        self,
        address: str,
        source: Path,
        parameters: dict[str, str],
        logs: Path,
        pace: Pace,
        listener: Listener,
    ) -> None:
        self._invocations: deque[Invocation] = deque(maxlen=KEPT_INVOCATIONS)
        self.announcements = Announcements(listener.announcement)
        self.principals = Principals()
        self._listener = listener
        self._redrive: dict[str, str] = {}
        self._sequencer = s3_events.Sequencer()
        self._closing = threading.Event()
        self._cleanup = ExitStack()
        forget_everything()
        try:
            translated = template.translate(source, REGION, parameters)
            self.slack = Slack()
            self._cleanup.callback(self.slack.close)
            self.functions = Functions(self.send_to_queue, self._invoked, pace.retry_seconds)
            self._cleanup.callback(self.functions.close)
            self.bus = EventBus(self.functions, self.send_to_queue, listener.event, pace.schedule_factor)
            self._cleanup.callback(self.bus.close)
            self.run_command = RunCommand(
                self._command_changed,
                lambda instance: self.state_manager.came_online(instance),
                pace.agent_latency,
                pace.agent_silence,
            )
            self._cleanup.callback(self.run_command.close)
            self.state_manager = StateManager(self.run_command, self.bus)
            self.gateway = Gateway(address, self.principals)
            self._cleanup.callback(self.gateway.close)
            self.host_services = HostServices(address, self.run_command)
            self._cleanup.callback(self.host_services.close)
            self._cleanup.enter_context(moto_hooks.installed(self._hooks()))
            self.gateway.start()
            self._add_answers()
            self.stack = resources.create(STACK_NAME, translated, parameters)
            self._wire(translated, logs)
            self._warm_up()
            expiry = threading.Thread(target=self._expire_commands, name="ssm-expiry", daemon=True)
            expiry.start()
            self._cleanup.callback(expiry.join)
            self._cleanup.callback(self._closing.set)
        except BaseException:
            self._cleanup.close()
            raise

    @property
    def endpoint(self) -> str:
        return self.gateway.endpoint

    @property
    def invocations(self) -> list[Invocation]:
        """Return the last KEPT_INVOCATIONS invocations that have ended, in order."""
        return list(self._invocations)

    @property
    def outputs(self) -> dict[str, str]:
        return self.stack.outputs

    def close(self) -> None:
        """End every process and thread. Idempotent."""
        self._cleanup.close()

    def session(self) -> boto3.Session:
        """Return the operator's session; its clients need `endpoint_url`, which `client` sets."""
        administrator = self.principals.administrator
        return boto3.Session(administrator.access_key, administrator.secret, region_name=REGION)

    def client(self, service: str) -> Any:
        """Return a client of the operator, who may do everything."""
        return self.session().client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def variables(self) -> dict[str, str]:
        """Return the environment variables by which any AWS SDK or CLI uses this account as its operator."""
        return {
            **self.principals.administrator.variables(),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def send_to_queue(self, arn: str, message: dict[str, Any]) -> None:
        """Send a message to a queue of the account."""
        with LOCK:
            backend("sqs").send_message(queue_name(arn), json.dumps(message))

    def _hooks(self) -> Hooks:
        return Hooks(self._object_created, self.announcements.add, self._notify_function)

    def _object_created(self, bucket: Any, key: Any, reason: str) -> None:
        request = self.gateway.request
        source_ip = request.source_ip if request else "127.0.0.1"
        detail = s3_events.detail(bucket, key, reason, self._sequencer.next(), source_ip)
        self.bus.emit("aws.s3", "Object Created", [f"arn:aws:s3:::{bucket.name}"], detail)

    def _notify_function(self, function_arn: str, subscription_arn: str, message: Message) -> None:
        function = self.functions.find(function_arn)
        if function and self.bus.may_invoke(function.spec.name, "sns.amazonaws.com", message.topic_arn):
            event = lambda_event(message, subscription_arn)
            self.functions.invoke_later(function, json.dumps(event).encode())
        elif subscription_arn in self._redrive:
            self.send_to_queue(self._redrive[subscription_arn], redriven(message))
        else:
            raise TemplateError(f"{message.topic_arn} has no permission to invoke {function_arn}")

    def _invoked(self, invocation: Invocation) -> None:
        self._invocations.append(invocation)
        self._listener.invocation(invocation)

    def _command_changed(self, change: Change) -> None:
        if change.command.association:
            self.state_manager.changed(change)
        else:
            ssm_api.announce(self.bus, change)

    def _add_answers(self) -> None:
        ssm = SsmApi(self.run_command)
        self.gateway.answers["lambda", "Invoke"] = self._invoke
        self.gateway.answer_json("events", "PutEvents", self._put_events)
        self.gateway.answer_json("ssm", "SendCommand", ssm.send_command)
        self.gateway.answer_json("ssm", "ListCommands", ssm.list_commands)
        self.gateway.answer_json("ssm", "ListCommandInvocations", ssm.list_command_invocations)
        self.gateway.answer_json("ssm", "GetCommandInvocation", ssm.get_command_invocation)
        self.gateway.answer_json("ssm", "CancelCommand", ssm.cancel_command)
        self.gateway.answer_json("ssm", "DescribeInstanceInformation", ssm.describe_instance_information)
        self.gateway.answer_json(
            "ssm",
            "DescribeInstanceAssociationsStatus",
            self.state_manager.describe_instance_associations_status,
        )

    def _invoke(self, request: ApiRequest) -> Answer:
        """Answer Lambda's Invoke, with its three invocation types."""
        name = request.path.split("/functions/")[1].removesuffix("/invocations")
        function = self.functions.find(name)
        if function is None:
            raise ApiError("ResourceNotFoundException", f"Function not found: {name}", 404)
        payload = request.body or b"{}"
        try:
            json.loads(payload)
        except ValueError as error:
            text = f"Could not parse request body into json: {error}"
            raise ApiError("InvalidRequestContentException", text) from error
        match request.headers.get("x-amz-invocation-type", "RequestResponse"):
            case "Event":
                self.functions.invoke_later(function, payload)
                return ASYNCHRONOUS_ANSWER
            case "DryRun":
                return 204, {}, b""
            case _:
                pass
        try:
            invocation = self.functions.invoke(function, payload)
        except Throttled as error:
            raise ApiError("TooManyRequestsException", str(error), 429) from error
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
        if invocation.error:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return 200, headers, invocation.answer

    def _put_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        entries = parameters["Entries"]
        forged = [entry["Source"] for entry in entries if entry["Source"].startswith("aws.")]
        if forged:
            raise ApiError("NotAuthorizedForSourceException", f"not authorized for the source {forged[0]}")
        for entry in entries:
            self.bus.emit(
                entry["Source"], entry["DetailType"], entry.get("Resources", []), json.loads(entry["Detail"])
            )
        return {
            "FailedEntryCount": 0,
            "Entries": [{"EventId": str(number)} for number in range(len(entries))],
        }

    def _wire(self, translated: Translated, logs: Path) -> None:
        """Connect the stack's parts: functions, permissions, schedules, subscribers, policies."""
        for resource in self.stack.of_kind("AWS::Lambda::Function"):
            spec = self._function_spec(resource, translated)
            self.functions.add(Function(spec, self.endpoint, logs))
        self.bus.wire(self.stack)
        for resource in self.stack.of_kind("AWS::SNS::Subscription"):
            self._subscribe(resource.properties)
        for resource in self.stack.of_kind("AWS::S3::BucketPolicy"):
            arn = f"arn:aws:s3:::{resource.properties['Bucket']}"
            self.gateway.resource_policies[arn] = resource.properties["PolicyDocument"]["Statement"]
        for resource in self.stack.of_kind("AWS::SNS::TopicPolicy"):
            for arn in resource.properties["Topics"]:
                self.gateway.resource_policies[arn] = resource.properties["PolicyDocument"]["Statement"]
        for resource in self.stack.of_kind("AWS::SSM::Association"):
            self.state_manager.associate(_association(resource.properties))

    def _subscribe(self, properties: dict[str, Any]) -> None:
        with LOCK:
            subscription = backend("sns").subscribe(
                properties["TopicArn"], properties["Endpoint"], properties["Protocol"]
            )
            if "FilterPolicy" in properties:
                policy = json.dumps(properties["FilterPolicy"])
                backend("sns").set_subscription_attributes(subscription.arn, "FilterPolicy", policy)
        if "RedrivePolicy" in properties:
            self._redrive[subscription.arn] = properties["RedrivePolicy"]["deadLetterTargetArn"]

    def _function_spec(self, resource: Resource, translated: Translated) -> FunctionSpec:
        properties = resource.properties
        name = resource.id
        with LOCK:
            credentials = self.principals.assume(properties["Role"].rpartition("/")[2], name)
        log_group = properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        return FunctionSpec(
            name=name,
            arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            handler=properties["Handler"],
            folder=translated.folders[properties["Code"]["S3Key"]],
            layers=tuple(self._layer_folder(arn, translated) for arn in properties.get("Layers", [])),
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            # No function of a sandbox ever reaches the real Slack.
            environment={
                **properties.get("Environment", {}).get("Variables", {}),
                "SLACK_ENDPOINT_URL": self.slack.endpoint,
            },
            credentials=credentials.variables(),
            log_group=log_group,
            concurrency=int(properties.get("ReservedConcurrentExecutions", CONCURRENCY)),
            retry=_retry(self.stack, name),
        )

    def _layer_folder(self, arn: str, translated: Translated) -> Path:
        for resource in self.stack.of_kind("AWS::Lambda::LayerVersion"):
            if resource.id == arn:
                return translated.folders[resource.properties["Content"]["S3Key"]]
        raise TemplateError(f"the layer {arn} is not in this stack")

    def _warm_up(self) -> None:
        """Let moto load what it loads on first use, such as a second for DynamoDB's model."""
        self.client("dynamodb").list_tables()
        self.client("s3").list_buckets()
        self.client("ssm").describe_parameters()
        self.client("ec2").describe_instances()
        self.client("sns").list_topics()
        self.client("sts").get_caller_identity()

    def _expire_commands(self) -> None:
        while not self._closing.wait(0.5):
            self.run_command.expire()


def _association(properties: Mapping[str, Any]) -> Association:
    """Return the association that an AWS::SSM::Association describes."""
    return Association(
        properties["Name"],
        properties.get("DocumentVersion", "$DEFAULT"),
        properties.get("Parameters", {}),
        properties["Targets"],
        time.time(),
        properties.get("AssociationName", ""),
    )


def _retry(made: Stack, function: str) -> Retry:
    """Return the settings of a function's EventInvokeConfig."""
    for resource in made.of_kind("AWS::Lambda::EventInvokeConfig"):
        properties = resource.properties
        if properties["FunctionName"] == function:
            return Retry(
                int(properties.get("MaximumRetryAttempts", 2)),
                float(properties.get("MaximumEventAgeInSeconds", 21600)),
                properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
            )
    return Retry()
