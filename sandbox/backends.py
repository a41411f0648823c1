"""moto's backends: what AWS knows, in this process's memory, behind one lock.

moto is not made for threads: everything that reads or changes a backend holds LOCK. Nothing that holds it may
wait for a function, a machine or an HTTP answer of this sandbox.
"""

import os
import threading
from typing import Any

# moto reads these when it is imported.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
os.environ["VALIDATE_LAMBDA_S3"] = "false"

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

ACCOUNT = "123456789012"
REGION = "eu-central-1"

LOCK = threading.RLock()

GLOBAL_SERVICES = ("iam", "s3", "sts")
"""moto keeps these a partition, not a region."""


def backend(service: str) -> Any:
    """moto's backend of a service; hold LOCK while using it."""
    scope = "aws" if service in GLOBAL_SERVICES else REGION
    return get_backend(service)[ACCOUNT][scope]  # type: ignore[call-overload]


def forget_everything() -> None:
    """Back to an empty account."""
    with LOCK:
        BackendDict.reset()
        reset_model_data()
