"""What the sandbox does with each type and property of a stack. What is not listed here is an error, never
silence.

HONOURED works here as it does on AWS, by moto or by this package. WITHOUT_EFFECT is taken and changes nothing
here; each entry says why that may be.
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
    "AWS::CloudWatch::Alarm": {
        "*": "nobody feeds CloudWatch here; the template's alarms are judged by their tests"
    },
    "AWS::CloudWatch::Dashboard": {
        "*": "there is no console; `make sandbox` shows the dashboard's own widget on a page"
    },
    "AWS::DynamoDB::Table": {
        "PointInTimeRecoverySpecification": "nothing here outlives the process",
        "TimeToLiveSpecification": "DynamoDB deletes within days; no sandbox lives that long",
        "SSESpecification": "nothing here is written to a disk",
    },
    "AWS::EC2::Instance": {"InstanceType": "machines share this machine's memory and processors"},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupIngress": "moto tells of the rules for IPv4; the machines' network has no firewall"
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
        "LifecycleConfiguration": "nothing here gets a day old",
        "OwnershipControls": "there is one account",
        "PublicAccessBlockConfiguration": "nobody outside this machine reaches the gateway",
    },
    "AWS::SNS::Topic": {"KmsMasterKeyId": "nothing here is written to a disk"},
    "AWS::SQS::Queue": {"SqsManagedSseEnabled": "nothing here is written to a disk"},
    "AWS::SQS::QueuePolicy": {"*": "the sandbox's own deliveries are the only senders"},
    "AWS::SSM::Association": {
        "MaxConcurrency": "all hosts run it at once, as 100% asks for",
        "MaxErrors": "all hosts run it, as 100% asks for",
        "ScheduleExpression": "no sandbox lives for a day",
    },
    "AWS::SSM::Document": {"UpdateMethod": "a stack is made once here"},
}

LAUNCH_TEMPLATE_DATA = {
    "BlockDeviceMappings": "moto tells of the volumes; a machine's files are this machine's",
    "IamInstanceProfile": "",
    "ImageId": "moto tells of the image; all machines boot the same",
    "InstanceType": "machines share this machine's memory and processors",
    "MetadataOptions": "the metadata service knows version 2 alone",
    "SecurityGroupIds": "moto tells of the rules; the machines' network has no firewall",
    "TagSpecifications": "",
}
"""What a launch template may say, and why it changes nothing in a machine; "": it does what it does on
AWS."""

ATTRIBUTES = frozenset(
    {"Type", "Properties", "Condition", "DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
)
TARGET_KEYS = frozenset({"Arn", "Id", "Input", "RetryPolicy", "DeadLetterConfig"})
SUBSCRIBERS = frozenset({"lambda", "sqs", "email"})
"""An e-mail subscriber never confirms here, and so never gets anything: as on AWS."""


def check(resources: dict[str, dict[str, Any]]) -> None:
    """Raises TemplateError that names every resource type and property which the sandbox does not know."""
    unknown = [problem for name, resource in resources.items() for problem in _problems(name, resource)]
    if unknown:
        raise TemplateError("the sandbox does not know what to do with: " + "; ".join(unknown))


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
