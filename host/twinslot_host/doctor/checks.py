"""What doctor makes of what it found: pure, so that every fault can be planted in a test."""

from __future__ import annotations

from typing import NamedTuple

from twinslot_host.doctor.probes import (
    Certificate,
    Clock,
    Disk,
    Memory,
    Nginx,
    Reading,
    Served,
    Site,
)
from twinslot_host.slot.environment import path_of
from twinslot_host.slot.releases import SPARE_BYTES

OLDEST_AGENT = (3, 3, 2746, 0)  # the first that hands parameters over in the environment
OLDEST_PYTHON = (3, 9)
SKEW_SECONDS = 60.0  # S3 refuses signatures that are 15 minutes off
CERTIFICATE_DAYS = 14.0  # certbot renews 30 days before the end
BARE_MEMORY = 900 * 1024**2  # two small JVMs beside the system
MIB = 1024**2

PROVISION = (
    "aws ssm send-command --document-name DOCUMENT --instance-ids HOST"
    " --parameters verb=provision,step=provision,app={app}"
)
"""doctor fills in HOST; whoever knows the stack fills in DOCUMENT, as the command line does."""


class Check(NamedTuple):
    """One precondition: what was found, with the value in it, and where it is not met a remedy to type.
    `ok` is None where another check has to be met before anybody can look."""

    name: str
    ok: bool | None
    what: str
    remedy: str


Verdict = tuple["bool | None", str, str]
"""Whether all is well (None: another check that failed keeps from looking), what was found, the remedy."""

ABSENT: Verdict = (None, "not looked at: nginx is not installed", "see nginx installed")


def judge_agent(version: str, app: str) -> Verdict:
    """The agent that runs hands parameters over in the environment, or this program would not have started.
    The one that lies on the disk runs after the next restart."""
    if not version:
        return True, "new enough: it handed the parameters over in the environment", ""
    numbers = tuple(map(int, version.split(".")))
    return (
        numbers >= OLDEST_AGENT,
        f"amazon-ssm-agent {version}; {'.'.join(map(str, OLDEST_AGENT))} or later is needed",
        f"aws ssm send-command --document-name AWS-UpdateSSMAgent --targets Key=tag:twinslot,Values={app}",
    )


def judge_python(version: tuple[int, ...], app: str) -> Verdict:
    """The program's own interpreter."""
    return (
        version >= OLDEST_PYTHON,
        f"Python {'.'.join(map(str, version))}; 3.9 or later is needed",
        "sudo dnf install python3 || sudo apt-get install python3",
    )


def judge_installed(version: str, app: str) -> Verdict:
    """nginx is there."""
    return bool(version), version or "nginx is not installed", PROVISION.format(app=app)


def judge_running(nginx: Nginx | None, app: str) -> Verdict:
    """nginx runs, and will after a boot."""
    if nginx is None:
        return ABSENT
    what = f"nginx.service is {nginx.state or 'unknown'}"
    what += " and starts at boot" if nginx.enabled else " and does not start at boot"
    return nginx.state == "active" and nginx.enabled, what, "sudo systemctl enable --now nginx"


def judge_configuration(complaint: str | None, app: str) -> Verdict:
    """nginx accepts its configuration: else the next reload fails, and the next boot leaves no proxy."""
    if complaint is None:
        return ABSENT
    what = f"`nginx -t` says: {complaint}" if complaint else "`nginx -t` accepts it"
    return (
        not complaint,
        what,
        "mend the file that it names, then: sudo nginx -t && sudo systemctl reload nginx",
    )


def judge_site(site: Site, app: str) -> Verdict:
    """nginx answers as our site's file says."""
    if site.on_disk is None:
        return False, f"{site.path} is not there: this host was not provisioned", PROVISION.format(app=app)
    if site.loaded is None:
        what = f"nginx does not answer on 127.0.0.1:80 as {site.path} says: another server is asked, or none"
    elif site.loaded != site.on_disk:
        what = f"nginx runs the configuration {site.loaded}, and {site.path} holds {site.on_disk}"
    else:
        return True, f"nginx runs {site.path}, {site.loaded}", ""
    return False, what, "sudo nginx -t && sudo systemctl reload-or-restart nginx"


def judge_rivals(rivals: list[str] | None, app: str) -> Verdict:
    """No other server claims port 80."""
    if rivals is None:
        return None, "not looked at: nginx has no configuration that it accepts", "see nginx configuration"
    if not rivals:
        return True, "no other server of nginx claims port 80", ""
    remedy = (
        "take default_server or the address from that listen, then: sudo nginx -t && sudo nginx -s reload"
    )
    return False, "other servers claim port 80: " + ", ".join(rivals[:3]), remedy


def judge_cut_off(files: list[str], app: str) -> Verdict:
    """Who is served now stays served when our site comes."""
    if not files:
        return True, "nobody who is served now would be cut off", ""
    what = f"users of {', '.join(files[:3])} would find nobody on port 8081 until a release is live"
    remedy = "move their process to 8081, or name them in its server_name: docs/migrating.md tells the way"
    return False, what, remedy


def judge_java(versions: str, app: str) -> Verdict:
    """There is a Java to run releases with."""
    return bool(versions), versions or "no Java is installed", PROVISION.format(app=app)


def judge_ports(strangers: dict[int, str], app: str) -> Verdict:
    """Nobody but the slots listens on their ports."""
    if not strangers:
        return True, "nobody else has a port that a slot needs", ""
    what = "; ".join(f"port {port} is taken by {owner}" for port, owner in strangers.items())
    port = next(iter(strangers))
    return False, what, f"sudo ss -ltnp 'sport = :{port}' names it: stop it, or move it (docs/migrating.md)"


def judge_memory(memory: Memory, app: str) -> Verdict:
    """During a deployment two processes of the app run side by side."""
    remedy = "take a larger instance type, or lower the setting java_options, such as -Xmx256m"
    found = f"{memory.available // MIB} of {memory.total // MIB} MiB available"
    if not memory.live:
        what = f"{found}; two JVMs need {BARE_MEMORY // MIB} MiB in all"
        return memory.total >= BARE_MEMORY, what, remedy
    used = memory.live // MIB
    if memory.both:
        return True, f"{found} beside both slots; the live process has {used} MiB", ""
    return (
        memory.available >= memory.live,
        f"{found}; the live process has {used} MiB, and a second one comes",
        remedy,
    )


def judge_disk(disk: Disk, app: str) -> Verdict:
    """The next release, and what it writes, have room."""
    need = 2 * disk.largest + SPARE_BYTES
    what = f"{disk.free // MIB} MiB free in {disk.path}; {-(-need // MIB)} MiB are needed"
    return disk.free >= need, what, "sudo du -xh --max-depth=2 / | sort -h | tail -20, and free some"


def judge_clock(clock: Clock, app: str) -> Verdict:
    """AWS refuses signatures whose time is wrong."""
    if clock.skew is not None and abs(clock.skew) > SKEW_SECONDS:
        ok, what = False, f"the clock is {abs(clock.skew):.0f} s {'ahead' if clock.skew > 0 else 'behind'}"
    elif clock.skew is not None:
        ok, what = True, f"the clock agrees with S3's within {abs(clock.skew):.0f} s"
    else:
        ok = clock.synchronised
        what = f"the clock is {'' if ok else 'not '}synchronised; S3 gave no time to compare with"
    return ok, what, "sudo systemctl enable --now chronyd || sudo timedatectl set-ntp true"


def judge_only(apps: list[str], app: str) -> Verdict:
    """One app a host."""
    others = [other for other in apps if other != app]
    if not others:
        return True, f"this host serves {app} alone" if apps else "this host serves no app yet", ""
    remedy = f"tag this instance twinslot={others[0]} if it is that app's, or give {app} another host"
    return False, f"this host serves {', '.join(others)}, and {app} was asked for", remedy


def judge_live(served: Served, app: str) -> Verdict:
    """Users get what was verified."""
    if not served.slot:
        return True, "nothing is live yet: the first upload makes it so", ""
    ok = served.answers == served.slot and served.state == "active" and served.verified
    if ok and not served.enabled:
        what = f"{served.label} in {served.slot} is live, and would not start after a boot"
        return False, what, f"sudo systemctl enable twinslot-{app}@{served.slot}"
    what = f"{served.label} in {served.slot} is {served.state}, {'' if served.verified else 'not '}verified"
    if served.answers != served.slot:
        what += f"; nginx {'answers ' + served.answers if served.answers else 'does not answer'}"
    return ok, what, f"twinslot logs {app}; then twinslot rollback {app}, or upload a jar that starts"


def judge_metadata(reading: Reading, app: str) -> Verdict:
    """The instance has a role, and its metadata service answers version 2."""
    if reading.role:
        return True, f"the instance metadata service answers; the role is {reading.role}", ""
    remedy = (
        "aws ec2 modify-instance-metadata-options --http-endpoint enabled --http-put-response-hop-limit 2"
        " --instance-id ID; give the instance a profile: aws ec2 associate-iam-instance-profile"
    )
    return False, reading.failure, remedy


def judge_s3(reading: Reading, app: str) -> Verdict:
    """The role may read this app's jars."""
    if not reading.role:
        return None, "not asked: there are no credentials to ask with", "see metadata"
    if reading.status in (200, 206):
        return True, f"S3 lets {reading.role} read {reading.what}", ""
    if not reading.status:
        remedy = "let the subnet reach S3: a gateway endpoint, or a route to a NAT, and port 443 outwards"
        return False, reading.failure, remedy
    if not reading.what:
        return True, "S3 answers; there is no release yet to read", ""
    what = f"S3 answered {reading.status} {reading.code} to {reading.role} for {reading.what}"
    if reading.code == "RequestTimeTooSkewed":
        remedy = "see clock"
    elif reading.status == 403:
        remedy = f"{tag(reading.role, app)}; {attach(reading.role)}"
    else:
        remedy = f"upload a jar to {app}/ again"
    return False, what, remedy


def judge_environment(failure: str, app: str) -> Verdict:
    """The role may read the app's environment, and all of it can be given to a process."""
    path = path_of(app)
    what = failure or f"{path} can be read, and every variable in it be given to a process"
    remedy = (
        f"see metadata and s3, then: aws ssm get-parameters-by-path --path {path} --query Parameters[].Name"
    )
    return not failure, what, remedy


def tag(role: str, app: str) -> str:
    """The command that says whose app's role this is."""
    return f"aws iam tag-role --role-name {role} --tags Key=twinslot,Value={app}"


def attach(role: str) -> str:
    """The command that gives a role what the stack has for it."""
    return f"aws iam attach-role-policy --role-name {role} --policy-arn <the stack's output HostPolicyArn>"


def judge_certificate(certificate: Certificate, app: str) -> Verdict:
    """The certificate, where the settings name one, does not end soon."""
    if not certificate.path:
        return True, "the settings name no certificate", ""
    if certificate.days is None:
        what = f"{certificate.path} cannot be read: {certificate.failure}"
        return False, what, f"sudo openssl x509 -noout -enddate -in {certificate.path}"
    when = f"ends in {certificate.days:.0f} days" if certificate.days > 0 else "has ended"
    remedy = "sudo certbot renew && sudo systemctl reload nginx"
    return certificate.days >= CERTIFICATE_DAYS, f"{certificate.path} {when}", remedy


def judge_units(failed: list[str], app: str) -> Verdict:
    """systemd has given up none of ours."""
    if not failed:
        return True, "no unit of twinslot or nginx has failed", ""
    remedy = f"sudo journalctl --unit {failed[0]} --lines 50; then sudo systemctl restart {failed[0]}"
    return False, f"failed: {', '.join(failed)}", remedy


def judge_state(unwritable: list[str], app: str) -> Verdict:
    """Fence, ledger and the flag can be written."""
    if not unwritable:
        return True, "the fence, the ledger and the flag can be written", ""
    what = f"cannot be written: {', '.join(unwritable)}"
    return False, what, f"mount | grep ' / '; sudo lsattr -d {unwritable[0]}; sudo mount -o remount,rw /"


def judge_provisioned(missing: list[str], app: str) -> Verdict:
    """What provision lays is there, and systemd has read it."""
    if not missing:
        return True, "the user, the units and the program of twinslot are there", ""
    return False, f"missing or unread: {', '.join(missing)}", PROVISION.format(app=app)
