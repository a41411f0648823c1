"""Commands of the pages that no test types, each with the reason; tests/e2e/test_docs.py types all others."""

import re

TAKEOVER = (
    "cat /etc/nginx/conf.d/service-url.inc",
    "ss -ltnp '( sport = :8081 or sport = :8082 )'",
    "sed -i.before 's/ default_server//' /etc/nginx/conf.d/shop.conf",
    "curl -s http://127.0.0.1:8082/actuator/health",
    "mv /etc/nginx/conf.d/shop.conf /etc/nginx/conf.d/shop.conf.before",
    "kill $(ss -ltnpH 'sport = :8081' | grep -o 'pid=[0-9]*' | cut -d= -f2)",
    "rm /var/lib/twinslot/shop/live/green",
    "mv /etc/nginx/conf.d/shop.conf.before /etc/nginx/conf.d/shop.conf",
    "mv /etc/nginx/conf.d/twinslot-shop.conf /etc/nginx/conf.d/twinslot-shop.conf.before",
)
"""What docs/migrating.md tells to do on a host, less what has a reason of its own."""

DOC_COMMANDS_NOT_RUN = {
    r"([A-Z]+=\$\()?aws elbv2 .*|aws ssm put-parameter .*tls_certificate.*": (
        "tests/controller/test_https_page.py types it, in an account of its own"
    ),
    r"sudo (dnf install -y certbot|certbot certonly .*|systemctl enable --now certbot-renew.timer)": (
        "it asks an authority on the Internet for a certificate; tests/host/test_https.py has a challenge "
        "answered from that folder, and a renewed certificate loaded by that hook"
    ),
    r"make (demo|test|sandbox|check|model|chaos.*|bench-[a-z]+|screenshots)": (
        "a target of the Makefile, which tests/unit/test_docs.py finds there; CI runs what it is made of"
    ),
    r"sam (build|deploy|delete)( .*)?": (
        "it needs an AWS account; tests/unit/test_docs.py asks the SAM CLI for its options and the template "
        "for its parameters, and the sandbox makes the same stack"
    ),
    r"PYTHONPATH=layers/twinslot python -m twinslot\.intake\.settings > docs/settings\.md": (
        "tests/unit/test_settings.py compares the page with what it prints"
    ),
    r"(pip install|git pull).*": "it fetches the project or its requirements from elsewhere",
    r"aws ec2 (terminate-instances|wait instance-terminated) --instance-ids \$HOSTS": (
        "it ends the host on which the other pages' commands are typed; those before it find that host"
    ),
    r"aws ssm start-session --target i-0123456789abcdef0": (
        "Session Manager's plugin talks with an AWS endpoint that the sandbox does not have"
    ),
    r"sudo (dnf install -y certbot|certbot certonly .*|systemctl enable --now certbot-renew\.timer)": (
        "the issuer wants a name in the public DNS; tests/host/test_https.py makes the files itself"
    ),
    **dict.fromkeys(
        map(re.escape, TAKEOVER), "tests/host/test_takeover.py types it on a host that a script has set up"
    ),
}
"""Regular expressions of whole commands."""


def reason_against(command: str) -> str | None:
    """Why no test types this command; None: one does."""
    return next(
        (reason for pattern, reason in DOC_COMMANDS_NOT_RUN.items() if re.fullmatch(pattern, command)), None
    )
