"""Parameter Store: the parameters below a path, read with the credentials of the host's role."""

from __future__ import annotations

import http.client
import json
import re
import time
from typing import Any

from twinslot_host.aws.imds import Instance, connect, endpoint_of, read_instance
from twinslot_host.aws.sigv4 import sign
from twinslot_host.system.errors import StepFailed, Transient

MAX_PARAMETERS = 100
MAX_BYTES = 1024 * 1024  # of one answer: 10 parameters of 8 KB at most, escaped
TIMEOUT_SECONDS = 10.0
TRANSIENT_CODES = re.compile("Throttling|InternalServer|RequestLimit|TooMany|ServiceUnavailable")


def read_parameters(path: str) -> dict[str, str]:
    """Return the parameters directly below a path, decrypted, by the rest of their names.

    Raises Transient or StepFailed. The texts of neither contain a part of a value.
    """
    instance = read_instance()
    found: dict[str, str] = {}
    token = None
    while True:
        page = ask(instance, path, token)
        try:
            for parameter in page["Parameters"]:
                name, value = parameter["Name"], parameter["Value"]
                if not name.startswith(path + "/") or not isinstance(value, str):
                    raise ValueError
                found[name[len(path) + 1 :]] = value
            token = page.get("NextToken")
        except (KeyError, TypeError, ValueError, AttributeError):
            # The texts of these errors can contain a value.
            raise StepFailed(f"Parameter Store's answer for {path} is not in the format of its API") from None
        if len(found) > MAX_PARAMETERS:
            raise StepFailed(
                f"{path} has more than {MAX_PARAMETERS} parameters: remove what the app does not need"
            )
        if not token:
            return found


def ask(instance: Instance, path: str, token: str | None) -> Any:
    """Return one page of GetParametersByPath. Raises Transient or StepFailed."""
    question: dict[str, Any] = {"Path": path, "Recursive": False, "WithDecryption": True, "MaxResults": 10}
    if token:
        question["NextToken"] = token
    body = json.dumps(question).encode()
    url = endpoint_of("ssm", instance.region).rstrip("/") + "/"
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParametersByPath"}
    connection = connect(url, TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/", body, sign("ssm", instance, time.gmtime(), url, body, headers))
        response = connection.getresponse()
        status, answer = response.status, response.read(MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"Parameter Store did not answer for {path}: {error}") from error
    finally:
        connection.close()
    try:
        value = json.loads(answer)
        said = "" if status == 200 else str(value.get("__type", "")) + " " + str(value.get("message", ""))
    except (ValueError, AttributeError):
        value, said = None, ""
    if status == 200 and value is not None:
        return value
    code = (re.findall(r"^(?:.*#)?([A-Za-z]{1,60})\b", said.split(" ")[0]) or ["no code"])[0]
    if status == 429 or status >= 500 or status == 200 or TRANSIENT_CODES.search(code):
        raise Transient(f"Parameter Store answered {status} {code} for {path}")
    raise StepFailed(
        f"Parameter Store answered {status} {code} for {path}: {advice(instance.role, code, said)}"
    )


def advice(role: str, code: str, said: str) -> str:
    """Return what to do about a refusal."""
    if "AccessDenied" not in code:
        return "see the code, and this host's clock"
    if re.search("kms:|ciphertext", said, re.I):
        return f"allow the role {role} kms:Decrypt with the key of these SecureStrings"
    return f"give the role {role} the stack's HostPolicy, and the tag twinslot with the app's name"
