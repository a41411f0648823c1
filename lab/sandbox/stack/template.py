"""Translates template.yaml to plain CloudFormation, offline, with AWS's own SAM translator.

Two things that the SAM CLI and CloudFormation do are done here: an AWS::Include of a local file is replaced
by the file, and the local folders of functions and layers become S3 addresses, whose folders are remembered.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

CODE_BUCKET = "twinslot-sandbox-code"
"""Stands for the bucket that `sam deploy` uploads to. It is empty: the folders are used directly."""

FOLDER_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class TemplateError(Exception):
    """The template needs something that the sandbox does not support; the text names it."""


@dataclass(frozen=True)
class Translated:
    """A template in plain CloudFormation, and the local folder of each S3 key for code."""

    document: dict[str, Any]
    folders: dict[str, Path]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        resources: dict[str, dict[str, Any]] = self.document["Resources"]
        return resources


def translate(path: Path, region: str, parameters: dict[str, str]) -> Translated:
    """Translate a template.

    Raises TemplateError for a missing file, and the translator's errors for invalid SAM.
    """
    source = yaml_parse(path.read_text())
    home = path.parent
    source = _with_includes(source, home)
    folders: dict[str, Path] = {}
    for name, resource in source["Resources"].items():
        folder_property = FOLDER_PROPERTIES.get(resource["Type"])
        if not folder_property:
            continue
        folder = home / resource["Properties"][folder_property]
        if not folder.is_dir():
            raise TemplateError(f"{name}: {folder_property} is not a folder: {folder}")
        folders[name] = folder.resolve()
        resource["Properties"][folder_property] = f"s3://{CODE_BUCKET}/{name}"
    defaults = {name: slot.get("Default") for name, slot in source.get("Parameters", {}).items()}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    return Translated(translator.translate(source, {**defaults, **parameters}), folders)


def _with_includes(node: Any, home: Path) -> Any:
    """Return the document with each AWS::Include of a local file replaced by the file's content."""
    if isinstance(node, list):
        return [_with_includes(item, home) for item in node]
    if not isinstance(node, dict):
        return node
    included = node.get("Fn::Transform")
    if included is None:
        return {key: _with_includes(value, home) for key, value in node.items()}
    if included.get("Name") != "AWS::Include" or len(node) > 1:
        raise TemplateError(f"only AWS::Include alone is supported here: {json.dumps(node)[:200]}")
    location = home / included["Parameters"]["Location"]
    try:
        return yaml_parse(location.read_text())
    except OSError as error:
        raise TemplateError(f"AWS::Include: cannot read {location}: {error.strerror}") from error
