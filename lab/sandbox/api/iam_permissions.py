"""The permissions that a request needs: the action, the exact ARN, and the values of condition keys.

Source: the service authorization reference. Only what functions, hosts and the command line call is
supported; any other call of a role is denied with an error that says so.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from moto.core.exceptions import ServiceException

from lab.sandbox.api.iam_policies import Permission, forbids, may
from lab.sandbox.api.requests import ApiError, ApiRequest
from lab.sandbox.stack.moto_backends import ACCOUNT, REGION, backend
from lab.sandbox.stack.resources import account_arn

ON_NOTHING = frozenset(
    {
        ("ec2", "DescribeInstances"),
        ("ssm", "DescribeInstanceInformation"),
        ("ssm", "ListCommands"),
        ("ssm", "ListCommandInvocations"),
        ("ssm", "GetCommandInvocation"),
        ("ssm", "CancelCommand"),
    }
)
"""Calls without a resource: their permission is on `*`."""

FREE = frozenset({("sts", "GetCallerIdentity")})
"""Calls that need no permission."""


def check(request: ApiRequest, resource_policies: dict[str, list[dict[str, Any]]]) -> None:
    """Raise ApiError (AccessDenied) unless the caller may do this. Hold the backends' LOCK.

    `resource_policies` maps the ARN of a bucket or topic to its policy's statements.
    """
    principal = request.principal
    if principal is None or (request.service, request.operation) in FREE:
        return
    try:
        permissions = needed(request)
    except LookupError:
        if principal.statements is None:
            return
        text = f"the sandbox does not know which permission {request.service}:{request.operation} needs"
        raise ApiError(_denied(request), text, 403) from None
    for permission in permissions:
        owner = permission.resource.partition("/")[0] if request.service == "s3" else permission.resource
        denied = forbids(resource_policies.get(owner, []), permission)
        if denied or (principal.statements is not None and not may(principal.statements, permission)):
            text = (
                f"User: {principal.arn} is not authorized to perform: {permission.action}"
                f" on resource: {permission.resource}"
            )
            raise ApiError(_denied(request), text, 403)


def needed(request: ApiRequest) -> tuple[Permission, ...]:
    """Return all permissions that the call needs, with the condition keys. Hold the backends' LOCK.

    Raises LookupError for an unsupported call.
    """
    about = _about(request)
    return tuple(
        Permission(bare.action, bare.resource, {**about, **bare.context}) for bare in _needed(request)
    )


def _denied(request: ApiRequest) -> str:
    if request.service == "ec2":
        return "UnauthorizedOperation"
    return "AccessDenied" if request.service == "s3" or request.form else "AccessDeniedException"


def _about(request: ApiRequest) -> dict[str, str]:
    """Return the global condition keys.

    The gateway stands for AWS's TLS endpoint: transport counts as secure.
    """
    context = {"aws:securetransport": "true", "aws:sourceip": request.source_ip}
    if request.principal:
        context["aws:principalarn"] = request.principal.arn
        context |= {f"aws:principaltag/{key.lower()}": value for key, value in request.principal.tags.items()}
    return context


def _needed(request: ApiRequest) -> Iterator[Permission]:
    if (request.service, request.operation) in ON_NOTHING:
        return iter([Permission(f"{request.service}:{request.operation}", "*")])
    return _RULES[request.service](request)


def _of_s3(request: ApiRequest) -> Iterator[Permission]:
    bucket, _, key = request.path.lstrip("/").partition("/")
    for part, action in _OF_A_BUCKET.items():
        if request.method == "GET" and not key and part in request.query:
            yield Permission(action, f"arn:aws:s3:::{bucket}")
            return
    if "uploadId" in request.query or "uploads" in request.query:
        # The parts of a multipart upload need the permission of the whole.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
        action = "AbortMultipartUpload" if request.method == "DELETE" else "PutObject"
        yield Permission(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")
        return
    if request.method == "GET" and not key and "list-type" in request.query:
        yield Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        return
    operation = {"HeadObject": "GetObject"}.get(request.operation, request.operation)
    if operation == "GetObject" and "versionId" in request.query:
        operation = "GetObjectVersion"
    if operation not in ("GetObject", "GetObjectVersion", "PutObject", "DeleteObject"):
        raise LookupError(operation)
    yield Permission(f"s3:{operation}", f"arn:aws:s3:::{bucket}/{key}")
    # S3 answers 404 only to callers that may list, and 403 to all others.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    if operation.startswith("GetObject") and not _exists(bucket, key, request.query.get("versionId")):
        yield Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}")


_OF_A_BUCKET = {"versioning": "s3:GetBucketVersioning", "notification": "s3:GetBucketNotification"}


def _exists(bucket: str, key: str, version: str | None) -> bool:
    try:
        return backend("s3").get_object(bucket, key, version_id=version) is not None
    except ServiceException:
        return False


def _of_dynamodb(request: ApiRequest) -> Iterator[Permission]:
    parameters = request.json
    match request.operation:
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" as operation:
            yield Permission(
                f"dynamodb:{operation}", _table(parameters["TableName"]), _leading_key(parameters)
            )
        case "Query" | "Scan" as operation:
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            yield Permission(
                f"dynamodb:{operation}", _table(parameters["TableName"]) + index, _leading_key(parameters)
            )
        case "TransactWriteItems":
            actions = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
            for item in parameters["TransactItems"]:
                for verb, write in item.items():
                    action = f"dynamodb:{actions.get(verb, 'ConditionCheckItem')}"
                    yield Permission(action, _table(write["TableName"]), _leading_key(write))
        case "TransactGetItems":
            for item in parameters["TransactItems"]:
                yield Permission("dynamodb:GetItem", _table(item["Get"]["TableName"]))
        case "BatchGetItem":
            for table in parameters["RequestItems"]:
                yield Permission("dynamodb:BatchGetItem", _table(table))
        case operation:
            raise LookupError(operation)


def _leading_key(parameters: dict[str, Any]) -> dict[str, str]:
    """Return the partition key: an item's `pk`, or the first value in a query's condition."""
    item = parameters.get("Key") or parameters.get("Item") or {}
    compared = re.match(r"\S+ = (:\w+)", parameters.get("KeyConditionExpression", ""))
    value = parameters["ExpressionAttributeValues"][compared[1]] if compared else item.get("pk")
    return {"dynamodb:leadingkeys": value["S"]} if value else {}


def _table(name: str) -> str:
    return name if name.startswith("arn:") else account_arn("dynamodb", f"table/{name}")


def _of_ssm(request: ApiRequest) -> Iterator[Permission]:
    parameters = request.json
    match request.operation:
        case "GetParameter":
            yield _of_parameter("GetParameter", parameters["Name"])
        case "GetParameters":
            for name in parameters["Names"]:
                yield _of_parameter("GetParameters", name)
        case "GetParametersByPath":
            yield _of_parameter("GetParametersByPath", parameters["Path"])
        case "SendCommand":
            name = parameters["DocumentName"].rpartition("document/")[2]
            yield Permission("ssm:SendCommand", account_arn("ssm", f"document/{name}"))
            for instance in parameters.get("InstanceIds", []):
                yield Permission(
                    "ssm:SendCommand",
                    f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}",
                    {f"ssm:resourcetag/{key.lower()}": value for key, value in _tags(instance).items()},
                )
            if parameters.get("Targets"):
                # AWS authorizes such a command for each instance, all of which have the targeted tag.
                context = {
                    f"ssm:resourcetag/{target['Key'].removeprefix('tag:').lower()}": target["Values"][0]
                    for target in parameters["Targets"]
                    if target["Key"].startswith("tag:")
                }
                yield Permission("ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0", context)
        case "DescribeDocument":
            yield Permission("ssm:DescribeDocument", account_arn("ssm", f"document/{parameters['Name']}"))
        case operation:
            raise LookupError(operation)


def _of_parameter(operation: str, name: str) -> Permission:
    return Permission(f"ssm:{operation}", account_arn("ssm", f"parameter/{name.lstrip('/')}"))


def _tags(instance: str) -> dict[str, str]:
    found = backend("ec2").get_instance_by_id(instance)
    return {tag["key"]: tag["value"] for tag in found.get_tags()} if found else {}


def _of_sns(request: ApiRequest) -> Iterator[Permission]:
    if request.operation not in ("Publish", "ListSubscriptionsByTopic"):
        raise LookupError(request.operation)
    yield Permission(f"sns:{request.operation}", request.form["TopicArn"])


def _of_lambda(request: ApiRequest) -> Iterator[Permission]:
    if request.method == "GET" and request.path.endswith("/configuration"):
        name = request.path.split("/functions/")[1].split("/")[0]
        yield Permission("lambda:GetFunctionConfiguration", account_arn("lambda", f"function:{name}"))
        return
    if request.operation != "Invoke":
        raise LookupError(request.operation)
    name = request.path.split("/functions/")[1].split("/")[0].split(":")[-1]
    yield Permission("lambda:InvokeFunction", account_arn("lambda", f"function:{name}"))


def _of_cloudformation(request: ApiRequest) -> Iterator[Permission]:
    if request.operation not in ("DescribeStacks", "ListStackResources"):
        raise LookupError(request.operation)
    stack = account_arn("cloudformation", f"stack/{request.form['StackName']}/1")
    yield Permission(f"cloudformation:{request.operation}", stack)


def _of_events(request: ApiRequest) -> Iterator[Permission]:
    if request.operation != "DescribeRule":
        raise LookupError(request.operation)
    yield Permission("events:DescribeRule", account_arn("events", f"rule/{request.json['Name']}"))


def _of_cloudwatch(request: ApiRequest) -> Iterator[Permission]:
    """CloudWatch's clients use another protocol, with the operation in the path."""
    if "DescribeAlarms" not in (request.operation, request.path.rpartition("/")[2]):
        raise LookupError(request.operation)
    yield Permission("cloudwatch:DescribeAlarms", "*")


def _of_sqs(request: ApiRequest) -> Iterator[Permission]:
    if request.operation != "GetQueueAttributes":
        raise LookupError(request.operation)
    name = str(request.json["QueueUrl"]).rpartition("/")[2]
    yield Permission("sqs:GetQueueAttributes", account_arn("sqs", name))


def _of_iam(request: ApiRequest) -> Iterator[Permission]:
    kinds = {"InstanceProfileName": "instance-profile", "RoleName": "role"}
    if request.operation not in ("GetInstanceProfile", "ListRoleTags", "ListAttachedRolePolicies"):
        raise LookupError(request.operation)
    kind, name = next((kinds[key], value) for key, value in request.form.items() if key in kinds)
    yield Permission(f"iam:{request.operation}", f"arn:aws:iam::{ACCOUNT}:{kind}/{name}")


_RULES: dict[str, Callable[[ApiRequest], Iterator[Permission]]] = {
    "s3": _of_s3,
    "dynamodb": _of_dynamodb,
    "ssm": _of_ssm,
    "sns": _of_sns,
    "lambda": _of_lambda,
    "cloudformation": _of_cloudformation,
    "events": _of_events,
    "monitoring": _of_cloudwatch,
    "sqs": _of_sqs,
    "iam": _of_iam,
}
