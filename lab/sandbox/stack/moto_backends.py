"""moto's backends: the state of AWS in this process's memory, behind one lock.

moto is not thread-safe: hold LOCK to read or change a backend. A thread that holds it must not wait for a
function, a machine or an HTTP answer of this sandbox.
"""

import os
import threading
from typing import Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

ACCOUNT = "123456789012"
REGION = "eu-central-1"

LOCK = threading.RLock()

ACCOUNTS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "VALIDATE_LAMBDA_S3": "false",
}
"""Environment variables that moto reads when it creates an account.

Without AWS's managed policies that is most of a second faster. They are set by a sandbox, not by the import
of this module.
"""

GLOBAL_SERVICES = ("iam", "s3", "sts")
"""moto has one backend of these per partition, not per region."""


def backend(service: str) -> Any:
    """Return moto's backend of a service; hold LOCK while using it."""
    scope = "aws" if service in GLOBAL_SERVICES else REGION
    return get_backend(service)[ACCOUNT][scope]  # type: ignore[call-overload]


def forget_everything() -> None:
    """Reset moto to an empty account."""
    os.environ.update(ACCOUNTS)
    with LOCK:
        BackendDict.reset()
        reset_model_data()
