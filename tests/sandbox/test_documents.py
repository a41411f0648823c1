"""What SendCommand may bring is what the document allows; how the document is written decides the script."""

from typing import Any

import pytest

from lab.sandbox.api.requests import ApiError
from lab.sandbox.services import documents

DOCUMENT: dict[str, Any] = {
    "schemaVersion": "2.2",
    "parameters": {
        "verb": {"type": "String", "allowedPattern": "^(stage|flip)$", "interpolationType": "ENV_VAR"},
        "fence": {"type": "String", "default": "0", "interpolationType": "ENV_VAR"},
    },
    "mainSteps": [
        {
            "action": "aws:runShellScript",
            "name": "twinslot",
            "inputs": {"timeoutSeconds": "60", "runCommand": ["#!/bin/sh", "echo $SSM_verb"]},
        }
    ],
}


def test_parameters_reach_the_script_as_variables() -> None:
    given = documents.values(DOCUMENT, {"verb": ["flip"]})

    script = documents.script(DOCUMENT, given)

    assert script.text == "#!/bin/sh\necho $SSM_verb"
    assert script.variables == {"SSM_verb": "flip", "SSM_fence": "0"}
    assert (script.step, script.seconds) == ("twinslot", 60)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "verb is required"),
        ({"verb": ["flop"]}, "does not match"),
        ({"verb": ["flip\n"]}, "does not match"),
        ({"verb": ["flip", "stage"]}, "takes one string"),
        ({"verb": ["flip"], "force": ["1"]}, "no parameter force"),
    ],
)
def test_parameters_that_the_document_does_not_allow_are_refused(
    given: dict[str, list[str]], named: str
) -> None:
    with pytest.raises(ApiError, match=named) as refused:
        documents.values(DOCUMENT, given)

    assert refused.value.code == "InvalidParameters"


def test_a_parameter_that_would_be_pasted_into_the_script_is_refused() -> None:
    pasted = DOCUMENT | {"parameters": {"verb": {"type": "String"}}}

    with pytest.raises(ApiError, match="ENV_VAR"):
        documents.values(pasted, {"verb": ["flip"]})


def test_a_script_that_still_holds_braces_is_refused() -> None:
    step = DOCUMENT["mainSteps"][0]
    braced = DOCUMENT | {"mainSteps": [step | {"inputs": {"runCommand": ["echo {{ verb }}"]}}]}

    with pytest.raises(ApiError, match="does not support"):
        documents.script(braced, {})
