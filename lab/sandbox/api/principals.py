"""The callers: an access key belongs to the account's administrator, or to a role with its policies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lab.sandbox.stack.moto_backends import ACCOUNT, REGION, backend


@dataclass(frozen=True)
class Principal:
    """The owner of an access key. `statements` is None for the administrator, who may do everything."""

    arn: str
    access_key: str
    secret: str
    token: str | None
    tags: Mapping[str, str]
    statements: tuple[Mapping[str, Any], ...] | None

    def variables(self) -> dict[str, str]:
        """Return the credentials as the environment variables of the AWS SDKs."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**variables, "AWS_SESSION_TOKEN": self.token} if self.token else variables


class Principals:
    """All access keys that the gateway accepts."""

    def __init__(self) -> None:
        self.administrator = Principal(
            f"arn:aws:iam::{ACCOUNT}:root", "AKIASANDBOXOPERATOR0", "sandbox-operator", None, {}, None
        )
        self._by_key = {self.administrator.access_key: self.administrator}

    def find(self, access_key: str) -> Principal | None:
        return self._by_key.get(access_key)

    def assume(self, role_name: str, session: str) -> Principal:
        """Return credentials of a role with its current policies. Hold the backends' LOCK."""
        role = backend("iam").get_role(role_name)
        assumed = backend("sts").assume_role(
            region_name=REGION,
            role_session_name=session,
            role_arn=role.arn,
            policy="",
            duration=3600,
            external_id="",
        )
        managed = [
            version.document
            for policy in role.managed_policies.values()
            for version in policy.versions
            if version.version_id == policy.default_version_id
        ]
        documents = [*role.policies.values(), *managed]
        principal = Principal(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/{role_name}/{session}",
            assumed.access_key_id,
            assumed.secret_access_key,
            assumed.session_token,
            {tag["Key"]: tag["Value"] for tag in role.tags},
            tuple(statement for document in documents for statement in _statements(document)),
        )
        self._by_key[principal.access_key] = principal
        return principal


def _statements(document: Any) -> list[Mapping[str, Any]]:
    if isinstance(document, str):
        document = json.loads(unquote(document) if document.startswith("%7B") else document)
    statements = document["Statement"]
    return statements if isinstance(statements, list) else [statements]
