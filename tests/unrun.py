"""Commands of the pages that no test types, each with the reason; tests/e2e/test_docs.py types all others."""

import re

UNRUN = {
    r"make (demo|test|sandbox|check|model|chaos.*|bench-[a-z]+|screenshots)": (
        "a target of the Makefile, which tests/unit/test_docs.py finds there; CI runs what it is made of"
    ),
    r"sam (build|deploy|delete)( .*)?": (
        "it needs an AWS account; tests/unit/test_docs.py asks the SAM CLI for its options and the template "
        "for its parameters, and the sandbox makes the same stack"
    ),
    r"PYTHONPATH=layers/twinslot python -m twinslot\.settings > docs/settings\.md": (
        "tests/unit/test_settings.py compares the page with what it prints"
    ),
}
"""Regular expressions of whole commands."""


def reason_against(command: str) -> str | None:
    """Why no test types this command; None: one does."""
    return next((reason for pattern, reason in UNRUN.items() if re.fullmatch(pattern, command)), None)
