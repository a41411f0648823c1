"""What has to be so on AWS for an app's deployments to work. Each function looks at one thing."""

import time
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

from botocore.exceptions import ClientError
from twinslot.aws.calling import code
from twinslot.aws.parameters import PARAMETER
from twinslot.domain.model import Application
from twinslot.errors import BadSettings
from twinslot.intake import settings

from twinslot_cli.aws.ssm_query import TAG, pings, running
from twinslot_cli.aws.stack import Stack
from twinslot_cli.checks.check import Check, made
from twinslot_cli.output.terminal import length

OVERDUE_SECONDS = 180
"""The clock ticks each minute: what is so long past its time is stuck."""

REDEPLOY = "deploy template.yaml again"


class Examination:
    """The checks of one app, in the order in which they depend on each other."""

    def __init__(self, stack: Stack, app: str) -> None:
        self._account = stack
        self._app = app
        self.online: list[str] = []
        """The hosts that can be asked, once `hosts` has looked."""

    def checks(self) -> list[Check]:
        """All of them."""
        looks = {
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
            "dead letters": self.dead_letters,
            "alarms": self.alarms,
            "hosts": self.hosts,
        }
        return [check for name, look in looks.items() for check in made(name, look)]

    def credentials(self) -> Iterator[Check]:
        arn = self._account.client("sts").get_caller_identity()["Arn"]
        yield Check("credentials", True, str(arn))

    def stack(self) -> Iterator[Check]:
        status = str(self._account.description["StackStatus"])
        good = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
        yield Check("stack", good, f"{self._account.stack}: {status}", "" if good else REDEPLOY)

    def versioning(self) -> Iterator[Check]:
        bucket = self._account.output("ArtifactBucket")
        status = self._account.client("s3").get_bucket_versioning(Bucket=bucket).get("Status", "off")
        remedy = (
            f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
        )
        yield _check("bucket versioning", status == "Enabled", f"{bucket}: {status}", remedy)

    def events(self) -> Iterator[Check]:
        bucket = self._account.output("ArtifactBucket")
        told = self._account.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        good = "EventBridgeConfiguration" in told
        remedy = (
            f"aws s3api put-bucket-notification-configuration --bucket {bucket}"
            " --notification-configuration '{\"EventBridgeConfiguration\": {}}'"
        )
        what = f"{bucket} {'tells' if good else 'does not tell'} EventBridge of uploads"
        yield _check("bucket events", good, what, remedy)

    def rules(self) -> Iterator[Check]:
        events = self._account.client("events")
        for name in self._of_kind("AWS::Events::Rule"):
            try:
                state = str(events.describe_rule(Name=name)["State"])
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                yield Check("rules", False, f"{name} is gone", REDEPLOY)
                continue
            yield _check(
                "rules", state == "ENABLED", f"{name}: {state}", f"aws events enable-rule --name {name}"
            )

    def functions(self) -> Iterator[Check]:
        client = self._account.client("lambda")
        for name in self._of_kind("AWS::Lambda::Function"):
            try:
                told = client.get_function_configuration(FunctionName=name)
            except ClientError as error:
                if code(error) != "ResourceNotFoundException":
                    raise
                yield Check("functions", False, f"{name} is gone", REDEPLOY)
                continue
            state, update = told.get("State", "Active"), told.get("LastUpdateStatus", "Successful")
            good = state in ("Active", "Inactive") and update != "Failed"
            yield _check("functions", good, f"{name}: {state}, last update {update}", REDEPLOY)

    def document(self) -> Iterator[Check]:
        name = self._account.output("HostDocumentName")
        try:
            status = self._account.client("ssm").describe_document(Name=name)["Document"]["Status"]
        except ClientError as error:
            if code(error) != "InvalidDocument":
                raise
            yield Check("document", False, f"{name} is gone", REDEPLOY)
            return
        yield _check("document", status == "Active", f"{name}: {status}", REDEPLOY)

    def table(self) -> Iterator[Check]:
        application = self._application
        seen = (
            f"its item has version {application.version}" if application.version else "no deployment as yet"
        )
        yield Check("table", True, f"{self._app}: {seen}")

    def deployments(self) -> Iterator[Check]:
        """Nothing is past its time, nothing differs from the table."""
        application, now = self._application, time.time()
        current = application.current
        deadline = current.step.deadline if current and current.step else now
        late = [act.id for act in application.outbox if now - act.at > OVERDUE_SECONDS]
        if current and now - deadline > OVERDUE_SECONDS:
            what = f"{current.id} is {current.phase.value}, {length(now - deadline)} past its deadline"
            yield Check(
                "deployments",
                False,
                what,
                "see the rules and functions above, and ssm_and_schedule's log",
            )
        elif late:
            what = f"decided but not done for over {length(OVERDUE_SECONDS)}: {', '.join(late)}"
            yield Check(
                "deployments",
                False,
                what,
                "see the rules and functions above, and ssm_and_schedule's log",
            )
        else:
            yield Check("deployments", True, "nothing is stuck")
        if application.freeze:
            frozen = application.freeze
            yield Check(
                "freeze", True, f"frozen by {frozen.by} for {length(now - frozen.since)}: {frozen.why}"
            )
        for found in application.drift:
            live = application.live
            remedy = "upload a jar: a deployment makes the hosts agree"
            if live:
                remedy = f"twinslot rollback {self._app} --to {live.deployment}, or upload a newer jar"
            yield Check("drift", False, found.what, remedy, found.host)

    def settings(self) -> Iterator[Check]:
        name = PARAMETER.format(app=self._app)
        try:
            text = self._account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            yield Check("settings", True, f"there is no parameter {name}: the defaults hold")
            return
        try:
            settings.parse(text)
        except BadSettings as error:
            remedy = f"correct the parameter {name}; docs/settings.md lists what may stand there"
            yield Check("settings", False, str(error), remedy)
        else:
            yield Check("settings", True, name)

    def announcements(self) -> Iterator[Check]:
        topic = self._account.output("AnnouncementTopic")
        pages = self._account.client("sns").get_paginator("list_subscriptions_by_topic")
        found = [each for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
        confirmed = [each for each in found if each["SubscriptionArn"].startswith("arn:")]
        what = (
            f"{len(confirmed)} of {len(found)} subscribers have confirmed" if found else "nobody subscribes"
        )
        remedy = (
            "open the link in the mail from AWS Notifications"
            if found
            else f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS"
        )
        yield _check("announcements", bool(confirmed), what, remedy)

    def dead_letters(self) -> Iterator[Check]:
        sqs = self._account.client("sqs")
        for url in self._of_kind("AWS::SQS::Queue"):
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            count = int(told["Attributes"]["ApproximateNumberOfMessages"])
            name = url.rpartition("/")[2]
            remedy = f"aws sqs receive-message --queue-url {url} shows one; purge-queue when you know why"
            yield _check("dead letters", count == 0, f"{name}: {count} messages", remedy)

    def alarms(self) -> Iterator[Check]:
        names = self._of_kind("AWS::CloudWatch::Alarm")
        pages = self._account.client("cloudwatch").get_paginator("describe_alarms")
        found = [each for page in pages.paginate(AlarmNames=names[:100]) for each in page["MetricAlarms"]]
        rings = [each for each in found if each["StateValue"] == "ALARM"]
        for alarm in rings:
            yield Check(
                "alarms",
                False,
                f"{alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}",
                "see its description",
            )
        if not rings:
            yield Check("alarms", True, f"{len(found)} alarms, all quiet")

    def hosts(self) -> Iterator[Check]:
        """Tagged, running, their agents online, their roles tagged and with the stack's policy."""
        instances = running(self._account, self._app)
        if not instances:
            remedy = f"aws ec2 create-tags --resources i-… --tags Key={TAG},Value={self._app}"
            yield Check("hosts", False, f"no running instance bears the tag {TAG}={self._app}", remedy)
            return
        yield Check("hosts", True, f"{len(instances)} running")
        known = pings(self._account, self._app)
        for instance in instances:
            host = str(instance["InstanceId"])
            ping = known.get(host, "not registered with SSM")
            if ping == "Online":
                self.online.append(host)
            remedy = "is amazon-ssm-agent running there, has the instance a profile, does it reach SSM?"
            good = ping == "Online"
            yield Check("agent", good, ping, "" if good else remedy, host)
            profile = instance.get("IamInstanceProfile", {}).get("Arn", "")
            yield from made("role", partial(self._role, host, profile))

    def _role(self, host: str, profile: str) -> Iterator[Check]:
        policy = self._account.output("HostPolicyArn")
        if not profile:
            yield Check(
                "role", False, "it has no instance profile", f"give it one whose role has {policy}", host
            )
            return
        iam = self._account.client("iam")
        told = iam.get_instance_profile(InstanceProfileName=profile.rpartition("/")[2])
        for role in told["InstanceProfile"]["Roles"]:
            name = str(role["RoleName"])
            tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=name)["Tags"]}
            good = tags.get(TAG) == self._app
            what = f"{name} bears {TAG}={tags[TAG]}" if TAG in tags else f"{name} does not bear the tag {TAG}"
            remedy = f"aws iam tag-role --role-name {name} --tags Key={TAG},Value={self._app}"
            yield Check("role tag", good, what, "" if good else remedy, host)
            pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
            attached = {each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]}
            good = policy in attached
            remedy = f"aws iam attach-role-policy --role-name {name} --policy-arn {policy}"
            what = f"{name} has {'' if good else 'not '}the stack's HostPolicy"
            yield Check("role policy", good, what, "" if good else remedy, host)

    @cached_property
    def _application(self) -> Application:
        return self._account.store.load(self._app)

    @cached_property
    def _resources(self) -> list[dict[str, Any]]:
        pages = self._account.client("cloudformation").get_paginator("list_stack_resources")
        return [
            each
            for page in pages.paginate(StackName=self._account.stack)
            for each in page["StackResourceSummaries"]
        ]

    def _of_kind(self, kind: str) -> list[str]:
        return sorted(
            str(each["PhysicalResourceId"])
            for each in self._resources
            if each["ResourceType"] == kind and each.get("PhysicalResourceId")
        )


def _check(name: str, good: bool, what: str, remedy: str) -> Check:
    return Check(name, good, what, "" if good else remedy)
