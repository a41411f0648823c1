"""What the sandbox does with each type and property of a stack. One that is not listed here is an error.

HONOURED works as on AWS, by moto or by this package. WITHOUT_EFFECT is accepted and ignored; each entry says
why it can be.
"""

from typing import Any

from lab.sandbox.stack.template import TemplateError

HONOURED: dict[str, frozenset[str]] = {
    "AWS::DynamoDB::Table": frozenset(
        {"AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "TableName"}
    ),
    "AWS::EC2::Instance": frozenset({"LaunchTemplate", "Tags"}),
    "AWS::EC2::LaunchTemplate": frozenset({"LaunchTemplateData", "LaunchTemplateName"}),
    "AWS::EC2::SecurityGroup": frozenset({"GroupDescription"}),
    "AWS::Events::Rule": frozenset(
        {"Description", "EventPattern", "Name", "ScheduleExpression", "State", "Targets"}
    ),
    "AWS::IAM::InstanceProfile": frozenset({"InstanceProfileName", "Path", "Roles"}),
    "AWS::IAM::ManagedPolicy": frozenset({"Description", "ManagedPolicyName", "PolicyDocument", "Roles"}),
    "AWS::IAM::Role": frozenset(
        {
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "Path",
            "Policies",
            "RoleName",
            "Tags",
        }
    ),
    "AWS::Lambda::EventInvokeConfig": frozenset(
        {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"}
    ),
    "AWS::Lambda::Function": frozenset(
        {
            "Code",
            "Description",
            "Environment",
            "FunctionName",
            "Handler",
            "Layers",
            "LoggingConfig",
            "ReservedConcurrentExecutions",
            "Role",
            "Tags",
            "Timeout",
        }
    ),
    "AWS::Lambda::LayerVersion": frozenset({"Content", "Description", "LayerName"}),
    "AWS::Lambda::Permission": frozenset(
        {"Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"}
    ),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName", "RetentionInDays"}),
    "AWS::S3::Bucket": frozenset(
        {"BucketEncryption", "BucketName", "NotificationConfiguration", "VersioningConfiguration"}
    ),
    "AWS::S3::BucketPolicy": frozenset({"Bucket", "PolicyDocument"}),
    "AWS::SNS::Subscription": frozenset(
        {"Endpoint", "FilterPolicy", "Protocol", "RedrivePolicy", "TopicArn"}
    ),
    "AWS::SNS::Topic": frozenset({"DisplayName", "TopicName"}),
    "AWS::SNS::TopicPolicy": frozenset({"PolicyDocument", "Topics"}),
    "AWS::SQS::Queue": frozenset({"MessageRetentionPeriod", "QueueName", "VisibilityTimeout"}),
    "AWS::SSM::Association": frozenset(
        {"AssociationName", "DocumentVersion", "Name", "Parameters", "Targets"}
    ),
    "AWS::SSM::Document": frozenset({"Content", "DocumentFormat", "DocumentType", "Name", "TargetType"}),
}

WITHOUT_EFFECT: dict[str, dict[str, str]] = {
    "AWS::CloudWatch::Alarm": {"*": "there are no metrics here; tests check the template's alarms"},
    "AWS::CloudWatch::Dashboard": {
        "*": "there is no console; `make sandbox` shows the dashboard's widget on a page"
    },
    "AWS::DynamoDB::Table": {
        "PointInTimeRecoverySpecification": "nothing here outlives the process",
        "TimeToLiveSpecification": "DynamoDB deletes within days; a sandbox does not live that long",
        "SSESpecification": "nothing here is written to a disk",
    },
    "AWS::EC2::Instance": {"InstanceType": "machines share this machine's memory and processors"},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupIngress": "moto has the rules for IPv4; the machines' network has no firewall"
    },
    "AWS::Lambda::Function": {
        "Architectures": "functions run on this machine's processor",
        "MemorySize": "functions share this machine's memory and processors",
        "Runtime": "functions run under this process's own Python",
        "TracingConfig": "there is no X-Ray here: trace headers come unsampled",
    },
    "AWS::Lambda::LayerVersion": {
        "CompatibleArchitectures": "advice to people only",
        "CompatibleRuntimes": "advice to people only",
        "LicenseInfo": "advice to people only",
    },
    "AWS::S3::Bucket": {
        "LifecycleConfiguration": "a sandbox does not live for a day",
        "OwnershipControls": "there is one account",
        "PublicAccessBlockConfiguration": "the gateway cannot be reached from outside",
    },
    "AWS::SNS::Topic": {"KmsMasterKeyId": "nothing here is written to a disk"},
    "AWS::SQS::Queue": {"SqsManagedSseEnabled": "nothing here is written to a disk"},
    "AWS::SQS::QueuePolicy": {"*": "the sandbox's own deliveries are the only senders"},
    "AWS::SSM::Association": {
        "MaxConcurrency": "all hosts run it at once, as with 100%",
        "MaxErrors": "all hosts run it, as with 100%",
        "ScheduleExpression": "a sandbox does not live for a day",
    },
    "AWS::SSM::Document": {"UpdateMethod": "a stack is created once here"},
}

LAUNCH_TEMPLATE_DATA = {
    "BlockDeviceMappings": "moto has the volumes; a machine's files are on this machine",
    "IamInstanceProfile": "",
    "ImageId": "moto has the image; all machines boot the same one",
    "InstanceType": "machines share this machine's memory and processors",
    "MetadataOptions": "the metadata service supports version 2 only",
    "SecurityGroupIds": "moto has the rules; the machines' network has no firewall",
    "TagSpecifications": "",
}
"""Why each property of a launch template changes nothing in a machine; "" when it works as on AWS."""

ATTRIBUTES = frozenset(
    {"Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
)
TARGET_KEYS = frozenset({"Arn", "Id", "Input", "RetryPolicy", "DeadLetterConfig"})
SUBSCRIBERS = frozenset({"lambda", "sqs", "email"})
"""An e-mail subscriber never confirms here, and so gets nothing, as on AWS."""


def check(resources: dict[str, dict[str, Any]]) -> None:
    """Raise TemplateError with every resource type and property that the sandbox does not support."""
    unknown = [problem for name, resource in resources.items() for problem in _problems(name, resource)]
    if unknown:
        raise TemplateError("the sandbox does not support: " + "; ".join(unknown))


def _problems(name: str, resource: dict[str, Any]) -> list[str]:
    kind = resource["Type"]
    honoured, without_effect = HONOURED.get(kind), WITHOUT_EFFECT.get(kind, {})
    if honoured is None and "*" not in without_effect:
        return [f"{name} ({kind})"]
    problems = [f"{name}'s attribute {attribute}" for attribute in sorted(set(resource) - ATTRIBUTES)]
    properties = resource.get("Properties", {})
    if "*" not in without_effect:
        known = (honoured or frozenset()) | set(without_effect)
        problems += [f"{name} ({kind}) {key}" for key in sorted(set(properties) - known)]
    if kind == "AWS::Events::Rule":
        for target in properties.get("Targets", []):
            problems += [f"{name}'s target {key}" for key in sorted(set(target) - TARGET_KEYS)]
    if kind == "AWS::EC2::LaunchTemplate":
        data = properties.get("LaunchTemplateData", {})
        problems += [f"{name}'s {key}" for key in sorted(set(data) - set(LAUNCH_TEMPLATE_DATA))]
    if kind == "AWS::SNS::Subscription" and properties.get("Protocol") not in SUBSCRIBERS:
        problems.append(f"{name}'s protocol {properties.get('Protocol')}")
    return problems
