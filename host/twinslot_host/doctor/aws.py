"""Checks of AWS: the host's role, its access to S3, and the app's environment."""

from __future__ import annotations

from twinslot_host.doctor.check import Checks, Verdict
from twinslot_host.doctor.host import Host, S3Answer
from twinslot_host.slot.environment import path_of, read_environment
from twinslot_host.system.errors import StepFailed, Transient

check = Checks()


def s3_answer(host: Host) -> S3Answer:
    """Return S3's answer, which three checks share."""
    return host.s3_answer


@check("metadata", s3_answer)
def judge_metadata(answer: S3Answer, app: str) -> Verdict:
    """The instance has a role, and its metadata service answers version 2."""
    if answer.role:
        return True, f"the instance metadata service answers; the role is {answer.role}", ""
    remedy = (
        "aws ec2 modify-instance-metadata-options --http-endpoint enabled --http-put-response-hop-limit 2"
        " --instance-id ID; give the instance a profile: aws ec2 associate-iam-instance-profile"
    )
    return False, answer.failure, remedy


@check("s3", s3_answer)
def judge_s3(answer: S3Answer, app: str) -> Verdict:
    """The role can read this app's jars."""
    if not answer.role:
        return None, "not checked: there are no credentials", "see metadata"
    if answer.status in (200, 206):
        return True, f"S3 lets {answer.role} read {answer.what}", ""
    if not answer.status:
        remedy = "let the subnet reach S3: a gateway endpoint, or a route to a NAT, and port 443 outwards"
        return False, answer.failure, remedy
    if not answer.what:
        return True, "S3 answers; there is no release yet to read", ""
    what = f"S3 answered {answer.status} {answer.code} to {answer.role} for {answer.what}"
    if answer.code == "RequestTimeTooSkewed":
        remedy = "see clock"
    elif answer.status == 403:
        remedy = f"{tag(answer.role, app)}; {attach(answer.role)}"
    else:
        remedy = f"upload a jar to {app}/ again"
    return False, what, remedy


def tag(role: str, app: str) -> str:
    """Return the command that tags a role with its app."""
    return f"aws iam tag-role --role-name {role} --tags Key=twinslot,Value={app}"


def attach(role: str) -> str:
    """Return the command that attaches the stack's policy to a role."""
    return f"aws iam attach-role-policy --role-name {role} --policy-arn <the stack's output HostPolicyArn>"


def environment_failure(host: Host) -> str:
    """Return why the app's environment cannot be used; empty: it can. Its values are dropped at once."""
    try:
        read_environment(host.app)
    except (StepFailed, Transient) as error:
        return str(error)
    return ""


@check("environment", environment_failure)
def judge_environment(failure: str, app: str) -> Verdict:
    """The role can read the app's environment, and all of it can be given to a process."""
    path = path_of(app)
    what = failure or f"{path} can be read, and a process can be given every variable in it"
    remedy = (
        f"see metadata and s3, then: aws ssm get-parameters-by-path --path {path} --query Parameters[].Name"
    )
    return not failure, what, remedy
