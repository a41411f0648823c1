"""Patches of moto: callbacks into the sandbox, and what moto does differently from AWS or too slowly.

- S3's event to EventBridge has wrong fields, and comes with an event for tags: the sandbox builds its own.
- A topic cannot invoke a function, and its messages are not kept.
- GetBucketNotificationConfiguration does not return the EventBridge configuration.
- An S3 key with a newline in it finds no route.
- An instance of a launch template gets neither its image nor its instance profile.
- DynamoDB is slow: a transaction copies the table for each of its items, value by value, and an answer is
  serialized value by value. That would be most of a handler's time.
- moto's dashboard keeps every object ever created, with each of those copies: after some hundred deployments
  garbage collection would stop all threads for many seconds.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.core.common_models import BaseModel
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.ec2.models.instances import InstanceBackend
from moto.moto_server.utilities import RegexConverter
from moto.s3 import notifications
from moto.s3.notifications import S3NotificationEvent
from moto.s3.responses import S3Response
from moto.sns.models import Subscription, Topic

from lab.sandbox.stack.moto_backends import backend

CREATED = {
    S3NotificationEvent.OBJECT_CREATED_PUT_EVENT: "PutObject",
    S3NotificationEvent.OBJECT_CREATED_POST_EVENT: "POST Object",
    S3NotificationEvent.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    S3NotificationEvent.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}
"""S3's reason for an object's creation, by moto's name of the event. S3's other events are not supported."""

IMAGE_BY_PARAMETER = "resolve:ssm:"
"""The prefix by which a launch template names an SSM parameter that has the image."""

EVENT_BRIDGE_ENABLED = (
    '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EventBridgeConfiguration/>'
    "</NotificationConfiguration>"
)

COLLECTIONS = frozenset({"L", "M", "SS", "NS", "BS"})


@dataclass(frozen=True)
class Message:
    """One message to a topic: `texts` by protocol, with "default" for all others.

    `attributes` maps names to (type, value).
    """

    id: str
    topic_arn: str
    subject: str | None
    texts: dict[str, str]
    attributes: dict[str, tuple[str, str]]

    def text_for(self, protocol: str) -> str:
        return self.texts.get(protocol, self.texts["default"])


@dataclass(frozen=True)
class Hooks:
    """The callbacks. All are called while the backends' LOCK is held: they must not wait."""

    object_created: Callable[[Any, Any, str], None]
    """bucket, key and reason, as moto's objects"""

    message_published: Callable[[Message], None]

    function_notified: Callable[[str, str, Message], None]
    """the ARNs of the function and of its subscription, and the message"""


@contextmanager
def installed(hooks: Hooks) -> Iterator[None]:
    """Let moto call `hooks` while this context lasts."""
    publish_to_topic, publish_to_subscriber = Topic.publish, Subscription.publish
    serialize_structure = BaseJSONSerializer._serialize_type_structure
    make_converter, copy_value = RegexConverter.__init__, DynamoType.__deepcopy__
    run_instances = InstanceBackend.run_instances
    get_notification = S3Response.get_bucket_notification

    def send_event(account: str, event: S3NotificationEvent, bucket: Any, key: Any) -> None:
        configuration = bucket.notification_configuration
        if event == S3NotificationEvent.OBJECT_CREATED_PUT_EVENT and key.multipart is not None:
            # moto emits two events for a multipart upload; the other one has the right reason.
            return
        if event in CREATED and configuration is not None and configuration.event_bridge is not None:
            hooks.object_created(bucket, key, CREATED[event])

    def across_lines(converter: Any, url_map: Any, pattern: str) -> None:
        make_converter(converter, url_map, f"(?s:{pattern})")

    def untracked(model: type[BaseModel], *arguments: Any, **options: Any) -> Any:
        return object.__new__(model)

    def copied(value: DynamoType, memo: dict[int, Any]) -> DynamoType:
        # moto never changes a scalar value, only the content of a list, a map or a set.
        return copy_value(value, memo) if value.type in COLLECTIONS else value

    def serialized_structure(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        # moto stores DynamoDB's values in the format of the answer, except binary ones.
        if shape.name == "AttributeValue" and type(value) is dict and not _holds_binary(value):
            serialized[key] = value
        else:
            serialize_structure(serializer, serialized, value, shape, key)

    def launch(ec2: Any, image: str, *arguments: Any, **options: Any) -> Any:
        template = options.get("launch_template")
        data = ec2._get_template_from_args(template).data if template else {}
        reservation = run_instances(ec2, _image(image or data.get("ImageId", "")), *arguments, **options)
        profile = data.get("IamInstanceProfile")
        if profile:
            for instance in reservation.instances:
                ec2.associate_iam_instance_profile(instance.id, profile.get("Name"), profile.get("Arn"))
        return reservation

    def notification(response: Any) -> Any:
        configuration = response.backend.get_bucket_notification_configuration(response.bucket_name)
        answer = get_notification(response)
        if configuration is None or configuration.event_bridge is None:
            return answer
        # The stack's buckets notify EventBridge only.
        body = EVENT_BRIDGE_ENABLED
        return 200, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body

    def publish(topic: Any, message: str, **options: Any) -> str:
        message_id: str = publish_to_topic(topic, message, **options)
        hooks.message_published(_message(message_id, topic.arn, message, options))
        return message_id

    def notify(subscription: Any, message: str, message_id: str, **options: Any) -> None:
        matcher = subscription._filter_policy_matcher
        if subscription.protocol == "email":
            return
        if subscription.protocol != "lambda":
            publish_to_subscriber(subscription, message, message_id, **options)
        elif matcher is None or matcher.matches(options.get("message_attributes"), message):
            notice = _message(message_id, subscription.topic.arn, message, options)
            hooks.function_notified(subscription.endpoint, subscription.arn, notice)

    with (
        mock.patch.object(notifications, "send_event", send_event),
        mock.patch.object(BaseJSONSerializer, "_serialize_type_structure", serialized_structure),
        mock.patch.object(BaseModel, "__new__", untracked),
        mock.patch.object(DynamoType, "__deepcopy__", copied),
        mock.patch.object(RegexConverter, "__init__", across_lines),
        mock.patch.object(InstanceBackend, "run_instances", launch),
        mock.patch.object(S3Response, "get_bucket_notification", notification),
        mock.patch.object(Topic, "publish", publish),
        mock.patch.object(Subscription, "publish", notify),
    ):
        yield


def _image(named: str) -> str:
    """Return an image's id, resolving a parameter."""
    if not named.startswith(IMAGE_BY_PARAMETER):
        return named
    image: str = backend("ssm").get_parameter(named.removeprefix(IMAGE_BY_PARAMETER)).value
    return image


def _holds_binary(value: dict[str, Any]) -> bool:
    """Return whether a DynamoDB value in JSON contains a binary value."""
    [(kind, content)] = value.items()
    if kind == "M":
        return any(_holds_binary(each) for each in content.values())
    if kind == "L":
        return any(_holds_binary(each) for each in content)
    return kind in ("B", "BS")


def _message(message_id: str, topic_arn: str, text: str, options: dict[str, Any]) -> Message:
    attributes = {
        name: (value["Type"], str(value["Value"]))
        for name, value in (options.get("message_attributes") or {}).items()
    }
    texts = json.loads(text) if options.get("message_structure") == "json" else {"default": text}
    return Message(message_id, topic_arn, options.get("subject"), texts, attributes)
