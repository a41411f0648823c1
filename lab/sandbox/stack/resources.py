"""Creates a translated template as a stack in moto, and adds what moto leaves out.

moto ignores unknown types with a warning; supported_properties.py refuses those that nothing supports, and
the others become records here, so that references to them are resolved.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from moto.awslambda.models import LayerVersion
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.ec2.models.instances import Instance

from lab.sandbox.stack import supported_properties
from lab.sandbox.stack.moto_backends import ACCOUNT, LOCK, REGION, backend
from lab.sandbox.stack.template import TemplateError, Translated


@dataclass(frozen=True)
class Resource:
    """One resource of the stack, its properties without references."""

    name: str
    kind: str
    id: str
    properties: dict[str, Any]


class Stack:
    """The created stack: every resource by its name in the template. `made` is moto's own stack."""

    def __init__(self, name: str, resources: dict[str, Resource], made: Any) -> None:
        self.name = name
        self.resources = resources
        self._made = made

    @property
    def outputs(self) -> dict[str, str]:
        with LOCK:
            return {output["OutputKey"]: output["OutputValue"] for output in self._made.outputs or []}

    def address_given(self, instance: str, address: str) -> None:
        """Set an instance's address, which its machine got at its creation, in EC2 and in the outputs."""
        with LOCK:
            (interface, *_) = backend("ec2").get_instance(instance).nics.values()
            interface.public_ip = interface.private_ip_address = address
            self._made.output_map._parsed_outputs.clear()

    def of_kind(self, kind: str) -> Iterator[Resource]:
        return (resource for resource in self.resources.values() if resource.kind == kind)


def create(name: str, translated: Translated, parameters: dict[str, str]) -> Stack:
    """Create the stack. Raises TemplateError for what the sandbox does not support, and moto's errors."""
    supported_properties.check(translated.resources)
    document = json.loads(json.dumps(translated.document))
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::SSM::Document":
            _write_content_as_text(resource["Properties"])
    with (
        LOCK,
        mock.patch.object(parsing, "clean_json", _clean_json),
        mock.patch.object(Instance, "create_from_cloudformation_json", _launch),
    ):
        _register_types({resource["Type"] for resource in document["Resources"].values()})
        made = backend("cloudformation").create_stack(name, json.dumps(document), parameters)
        if made.status != "CREATE_COMPLETE":
            raise TemplateError(f"the stack is {made.status}: {made.status_reason}")
        resources = {
            logical: Resource(
                logical,
                description["Type"],
                getattr(made.resource_map[logical], "physical_resource_id", logical),
                parsing.clean_json(
                    json.loads(json.dumps(description.get("Properties", {}))), made.resource_map
                ),
            )
            for logical, description in document["Resources"].items()
            if made.resource_map[logical] is not None
        }
        for resource in resources.values():
            fix = _FIXES.get(resource.kind)
            if fix:
                fix(resource)
    return Stack(name, resources, made)


def _write_content_as_text(properties: dict[str, Any]) -> None:
    """Make a document's content a string: moto stores anything else as Python's repr."""
    if not isinstance(properties["Content"], str):
        properties["Content"] = json.dumps(properties["Content"])
        properties.setdefault("DocumentFormat", "JSON")


def _launch(name: str, description: dict[str, Any], *_: Any, **__: Any) -> Instance:
    """Launch an instance of a launch template, which moto's CloudFormation cannot."""
    properties = description["Properties"]
    if "LaunchTemplate" not in properties:
        raise TemplateError(f"{name}: the sandbox launches instances by a LaunchTemplate")
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    reservation = backend("ec2").run_instances(
        "",
        1,
        None,
        [],
        launch_template=properties["LaunchTemplate"],
        instance_type=properties.get("InstanceType"),
        is_instance_type_default="InstanceType" not in properties,
        tags={"instance": tags},
    )
    launched: Instance = reservation.instances[0]
    return launched


_resolve = parsing.clean_json


def _clean_json(node: Any, resources: parsing.ResourceMap) -> Any:
    """Resolve references as moto does, without the None that it leaves for an AWS::NoValue in a list."""
    return _without_nothing(_resolve(node, resources))


def _without_nothing(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nothing(value) for key, value in node.items() if value is not None}
    if isinstance(node, list):
        return [_without_nothing(value) for value in node if value is not None]
    return node


def _fix_role(resource: Resource) -> None:
    """Attach a role's managed policies, which moto ignores."""
    for arn in resource.properties.get("ManagedPolicyArns", []):
        backend("iam").attach_role_policy(arn, resource.id)


def _fix_bucket(resource: Resource) -> None:
    """Enable versioning and notifications, which moto's CloudFormation ignores."""
    bucket = backend("s3").get_bucket(resource.id)
    versioning = resource.properties.get("VersioningConfiguration", {}).get("Status")
    if versioning:
        bucket.versioning_status = versioning
    notifications = resource.properties.get("NotificationConfiguration", {})
    if set(notifications) - {"EventBridgeConfiguration"}:
        raise TemplateError(
            f"{resource.name}: notifications go to EventBridge here, not {sorted(notifications)}"
        )
    if notifications.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled") in (True, "true"):
        bucket.set_notification_configuration({"EventBridgeConfiguration": {}})


_FIXES = {"AWS::IAM::Role": _fix_role, "AWS::S3::Bucket": _fix_bucket}

_RECORDS: dict[str, type[CloudFormationModel]] = {}
"""moto finds its classes among the living subclasses: these must not be garbage collected."""


def _register_types(kinds: set[str]) -> None:
    """Give moto a class for each type that it does not know, so that references to it are resolved."""
    for kind in sorted(kinds - set(parsing.get_model_map())):
        _RECORDS[kind] = _record_class(kind)
    # In moto a reference to a layer is not resolved to the version's ARN.
    setattr(LayerVersion, "physical_resource_id", property(lambda layer: layer.arn))  # noqa: B010 (moto's class)
    for cache in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cache.cache_clear()


def _record_class(kind: str) -> type[CloudFormationModel]:
    """Return a class for resources that moto only records; the sandbox reads their properties from the
    Stack."""

    class Record(CloudFormationModel):
        def __init__(self, physical_resource_id: str) -> None:
            self.physical_resource_id = physical_resource_id

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def create_from_cloudformation_json(cls, resource_name: str, *_: Any, **__: Any) -> Any:
            return cls(resource_name)

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return False

    Record.__name__ = kind.replace("::", "")
    return Record


def account_arn(service: str, resource: str) -> str:
    """Return the ARN of a resource in this account and region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
