"""The commands of the pages that tests/e2e/test_docs.py does not type, each with the reason."""

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
"""The commands of docs/migrating.md for a host that a script has set up."""

DOC_COMMANDS_NOT_RUN = {
    r"([A-Z]+=\$\()?aws elbv2 .*|aws ssm put-parameter .*tls_certificate.*": (
        "tests/controller/test_https_page.py types it, in an account of its own"
    ),
    r"sudo (dnf install -y certbot|certbot certonly .*|systemctl enable --now certbot-renew.timer)": (
        "a certificate authority on the internet has to validate a public name; tests/host/test_https.py "
        "tests that a challenge in that folder is answered, and that the hook loads a renewed certificate"
    ),
    r"make (demo|test|sandbox|check|model|chaos.*|bench-[a-z]+|screenshots)": (
        "tests/unit/test_docs.py finds the target in the Makefile; CI runs its parts"
    ),
    r"sam (build|deploy|delete)( .*)?": (
        "it needs an AWS account; tests/unit/test_docs.py checks its options against the SAM CLI and its "
        "parameters against the template, and the sandbox creates the same stack"
    ),
    r"PYTHONPATH=layers/twinslot python -m twinslot\.intake\.settings > docs/settings\.md": (
        "tests/unit/test_settings.py compares the page with what it prints"
    ),
    r"(pip install|git pull).*": "it needs the network",
    r"aws ec2 (terminate-instances|wait instance-terminated) --instance-ids \$HOSTS": (
        "it terminates the host that the other commands need; the commands before it find that host"
    ),
    r"aws ssm start-session --target i-0123456789abcdef0": (
        "Session Manager's plugin needs an AWS endpoint that the sandbox does not have"
    ),
    **dict.fromkeys(
        map(re.escape, TAKEOVER), "tests/host/test_takeover.py types it, on a host that a script has set up"
    ),
}
"""Regular expressions of whole commands."""


def reason_against(command: str) -> str | None:
    """Return why tests/e2e/test_docs.py does not type this command, or None where it does."""
    return next(
        (reason for pattern, reason in DOC_COMMANDS_NOT_RUN.items() if re.fullmatch(pattern, command)), None
    )
