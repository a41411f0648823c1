"""Checks of everything in AWS that an app's deployments need.

A new check is a method and its entry in `run`.
"""

import time
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError
from twinslot.aws.calling import code
from twinslot.aws.hosts import ONLINE, TAG, ping_statuses, running_hosts
from twinslot.aws.parameters import PARAMETER
from twinslot.domain.model import Application
from twinslot.errors import BadSettings
from twinslot.intake import settings

from twinslot_cli.aws.errors import OTHER_VERSION
from twinslot_cli.aws.stack import Stack
from twinslot_cli.checks.check import Check, collect
from twinslot_cli.output.terminal import duration

AGENT_OFFLINE = "check that amazon-ssm-agent runs, that the instance has a profile, and that it can reach SSM"
OVERDUE_SECONDS = 180
"""The scheduled check runs each minute: what is later than this is stuck."""

REDEPLOY = "deploy template.yaml again"
SEE_LOG = "see the checks of rules and functions above, and the log of ssm_and_schedule"
HEALTHY_STACK = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


class AwsChecks:
    """The checks for one app, in the order in which they depend on each other."""

    def __init__(self, stack: Stack, app: str) -> None:
        self._stack = stack
        self._app = app
        self.online: list[str] = []
        """The ids of the hosts that can be queried; `hosts` fills it."""

    def run(self) -> list[Check]:
        """Run all checks."""
        checks = {
            "credentials": self.credentials,
            "stack": self.stack,
            "bucket versioning": self.versioning,
            "bucket events": self.events,
            "rules": self.rules,
            "functions": self.functions,
            "document": self.document,
            "table": self.table,
            "deployments": self.deployments,
            "settings": self.settings,
            "announcements": self.announcements,
            "dead-letter queues": self.dead_letter_queues,
            "alarms": self.alarms,
            "hosts": self.hosts,
        }
        return [check for name, method in checks.items() for check in collect(name, method)]

    def credentials(self) -> Iterator[Check]:
        arn = self._stack.client("sts").get_caller_identity()["Arn"]
        yield Check("credentials", True, str(arn))

    def stack(self) -> Iterator[Check]:
        status = str(self._stack.description["StackStatus"])
        yield _check("stack", status in HEALTHY_STACK, f"{self._stack.name}: {status}", REDEPLOY)

    def versioning(self) -> Iterator[Check]:
        bucket = self._stack.output("ArtifactBucket")
        status = self._stack.client("s3").get_bucket_versioning(Bucket=bucket).get("Status", "off")
        remedy = (
            f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
        yield _check("bucket versioning", status == "Enabled", f"{bucket}: {status}", remedy)

    def events(self) -> Iterator[Check]:
        bucket = self._stack.output("ArtifactBucket")
        found = self._stack.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        good = "EventBridgeConfiguration" in found
        remedy = (
            f"aws s3api put-bucket-notification-configuration --bucket {bucket}"
            " --notification-configuration '{\"EventBridgeConfiguration\": {}}'"
        )
        what = f"{bucket} {'sends' if good else 'does not send'} events of uploads to EventBridge"
        yield _check("bucket events", good, what, remedy)

    def rules(self) -> Iterator[Check]:
        events = self._stack.client("events")
        for name in self._resource_ids("AWS::Events::Rule"):
            try:
                state = str(events.describe_rule(Name=name)["State"])
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                yield Check("rules", False, f"{name} does not exist", REDEPLOY)
                continue
            yield _check(
                "rules", state == "ENABLED", f"{name}: {state}", f"aws events enable-rule --name {name}"
            )

    def functions(self) -> Iterator[Check]:
        client = self._stack.client("lambda")
        for name in self._resource_ids("AWS::Lambda::Function"):
            try:
                found = client.get_function_configuration(FunctionName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                yield Check("functions", False, f"{name} does not exist", REDEPLOY)
                continue
            state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
            good = state in ("Active", "Inactive") and update != "Failed"
            yield _check("functions", good, f"{name}: {state}, last update {update}", REDEPLOY)

    def document(self) -> Iterator[Check]:
        name = self._stack.output("HostDocumentName")
        try:
            status = self._stack.client("ssm").describe_document(Name=name)["Document"]["Status"]
        except ClientError as error:
            if code(error) != "InvalidDocument":
                raise
            yield Check("document", False, f"{name} does not exist", REDEPLOY)
            return
        yield _check("document", status == "Active", f"{name}: {status}", REDEPLOY)

    def table(self) -> Iterator[Check]:
        application = self._application
        if application.version == 0:
            yield Check("table", True, self._stack.never_deployed(self._app))
        else:
            yield Check("table", True, f"{self._app}: state version {application.version}")

    def deployments(self) -> Iterator[Check]:
        """Nothing is overdue, and no host differs from the expected state."""
        application, now = self._application, time.time()
        current = application.current
        deadline = current.step.deadline if current and current.step else now
        late = [act.id for act in application.acts if now - act.at > OVERDUE_SECONDS]
        if current and now - deadline > OVERDUE_SECONDS:
            what = f"{current.id} is {current.phase.value}, {duration(now - deadline)} past its deadline"
            yield Check("deployments", False, what, SEE_LOG)
        elif late:
            what = f"pending for over {duration(OVERDUE_SECONDS)}: {', '.join(late)}"
            yield Check("deployments", False, what, SEE_LOG)
        else:
            yield Check("deployments", True, "nothing is stuck")
        for note in application.unreadable:
            yield Check("deployments", None, note, OTHER_VERSION)
        if freeze := application.freeze:
            since = duration(now - freeze.since)
            yield Check("freeze", True, f"frozen by {freeze.by} {since} ago: {freeze.why}")
        for found in application.drift:
            remedy = "upload a jar: a deployment brings all hosts to the same release"
            if live := application.live:
                remedy = f"twinslot rollback {self._app} --to {live.deployment}, or upload a newer jar"
            yield Check("drift", False, found.what, remedy, found.host)

    def settings(self) -> Iterator[Check]:
        name = PARAMETER.format(app=self._app)
        try:
            text = self._stack.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            yield Check("settings", True, f"no parameter {name}: the defaults apply")
            return
        try:
            settings.parse(text)
        except BadSettings as error:
            remedy = f"correct the parameter {name}; docs/settings.md lists the valid settings"
            yield Check("settings", False, str(error), remedy)
        else:
            yield Check("settings", True, name)

    def announcements(self) -> Iterator[Check]:
        topic = self._stack.output("AnnouncementTopic")
        pages = self._stack.client("sns").get_paginator("list_subscriptions_by_topic")
        found = [each for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
        confirmed = [each for each in found if each["SubscriptionArn"].startswith("arn:")]
        what = f"{len(confirmed)} of {len(found)} subscriptions are confirmed" if found else "no subscription"
        remedy = (
            "open the link in the e-mail from AWS Notifications"
            if found
            else f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS"
        )
        yield _check("announcements", bool(confirmed), what, remedy)

    def dead_letter_queues(self) -> Iterator[Check]:
        sqs = self._stack.client("sqs")
        for url in self._resource_ids("AWS::SQS::Queue"):
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            count = int(found["Attributes"]["ApproximateNumberOfMessages"])
            name = url.rpartition("/")[2]
            remedy = (
                f"aws sqs receive-message --queue-url {url} shows one; purge-queue when its cause is clear"
            )
            yield _check("dead-letter queues", count == 0, f"{name}: {count} messages", remedy)

    def alarms(self) -> Iterator[Check]:
        names = self._resource_ids("AWS::CloudWatch::Alarm")
        pages = self._stack.client("cloudwatch").get_paginator("describe_alarms")
        found = [each for page in pages.paginate(AlarmNames=names[:100]) for each in page["MetricAlarms"]]
        ringing = [each for each in found if each["StateValue"] == "ALARM"]
        for alarm in ringing:
            what = f"{alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}"
            yield Check("alarms", False, what, "follow the alarm's description")
        if not ringing:
            yield Check("alarms", True, f"{len(found)} alarms, none in the state ALARM")

    def hosts(self) -> Iterator[Check]:
        """Hosts are tagged and running, and their agents online; their roles have the tag and the policy."""
        instances = running_hosts(self._stack.client("ec2"), self._app)
        if not instances:
            remedy = f"aws ec2 create-tags --resources i-… --tags Key={TAG},Value={self._app}"
            yield Check("hosts", False, f"no running instance is tagged {TAG}={self._app}", remedy)
            return
        yield Check("hosts", True, f"{len(instances)} running")
        known = ping_statuses(self._stack.client("ssm"), self._app)
        for instance in instances:
            host = str(instance["InstanceId"])
            ping = known.get(host, "not registered with SSM")
            if ping == ONLINE:
                self.online.append(host)
            yield _check("agent", ping == ONLINE, ping, AGENT_OFFLINE, host)
            profile = instance.get("IamInstanceProfile", {}).get("Arn", "")
            yield from collect("role", partial(self._role, host, profile))

    def _role(self, host: str, profile: str) -> Iterator[Check]:
        policy = self._stack.output("HostPolicyArn")
        if not profile:
            remedy = f"attach an instance profile whose role has the policy {policy}"
            yield Check("role", False, "no instance profile", remedy, host)
            return
        iam = self._stack.client("iam")
        found = iam.get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
        for role in found["InstanceProfile"]["Roles"]:
            name = str(role["RoleName"])
            tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=name)["Tags"]}
            what = f"{name} is tagged {TAG}={tags[TAG]}" if TAG in tags else f"{name} has no tag {TAG}"
            remedy = f"aws iam tag-role --role-name {name} --tags Key={TAG},Value={self._app}"
            yield _check("role tag", tags.get(TAG) == self._app, what, remedy, host)
            pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
            attached = {each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}
            good = policy in attached
            remedy = f"aws iam attach-role-policy --role-name {name} --policy-arn {policy}"
            what = f"{name} has {'' if good else 'not '}the stack's HostPolicy"
            yield _check("role policy", good, what, remedy, host)

    @cached_property
    def _application(self) -> Application:
        return self._stack.store.load(self._app)

    @cached_property
    def _resources(self) -> list[dict[str, Any]]:
        pages = self._stack.client("cloudformation").get_paginator("list_stack_resources")
        return [
            each
            for page in pages.paginate(StackName=self._stack.name)
            for each in page["StackResourceSummaries"]
        ]

    def _resource_ids(self, kind: str) -> list[str]:
        return sorted(
            str(each["PhysicalResourceId"])
            for each in self._resources
            if each["ResourceType"] == kind and each.get("PhysicalResourceId")
        )


def _check(name: str, ok: bool, what: str, remedy: str, host: str | None = None) -> Check:
    return Check(name, ok, what, "" if ok else remedy, host)
