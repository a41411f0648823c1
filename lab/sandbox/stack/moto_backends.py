"""moto's backends: what AWS knows, in this process's memory, behind one lock.

moto is not made for threads: everything that reads or changes a backend holds LOCK. Nothing that holds it may
wait for a function, a machine or an HTTP answer of this sandbox.
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
"""What moto reads of the environment whenever it makes an account. AWS's policies take it most of a second:
this is set for a sandbox, and not for whoever imports this module."""

GLOBAL_SERVICES = ("iam", "s3", "sts")
"""moto keeps these a partition, not a region."""


def backend(service: str) -> Any:
    """moto's backend of a service; hold LOCK while using it."""
    scope = "aws" if service in GLOBAL_SERVICES else REGION
    return get_backend(service)[ACCOUNT][scope]  # type: ignore[call-overload]


def forget_everything() -> None:
    """Back to an empty account, as a sandbox wants it."""
    os.environ.update(ACCOUNTS)
    with LOCK:
        BackendDict.reset()
        reset_model_data()
