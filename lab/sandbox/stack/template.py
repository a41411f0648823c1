"""From template.yaml to plain CloudFormation, offline, by AWS's own translator of SAM.

Two things that the SAM CLI and CloudFormation do elsewhere are done here: AWS::Include of a local file is put
in place, and the local folders of functions and layers become S3 addresses whose folders are remembered.
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
"""Stands for the bucket that `sam deploy` uploads to; nothing lies there, the folders are used as they
are."""

FOLDER_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class TemplateError(Exception):
    """The template asks for something that the sandbox cannot do; the text names it."""


@dataclass(frozen=True)
class Translated:
    """A template in plain CloudFormation, and the local folder behind each S3 key that stands for code."""

    document: dict[str, Any]
    folders: dict[str, Path]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        resources: dict[str, dict[str, Any]] = self.document["Resources"]
        return resources


def translate(path: Path, region: str, parameters: dict[str, str]) -> Translated:
    """Raises TemplateError where a local file is missing, and the translator's own errors where SAM is
    wrong."""
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
            raise TemplateError(f"{name}: {folder_property} is no folder: {folder}")
        folders[name] = folder.resolve()
        resource["Properties"][folder_property] = f"s3://{CODE_BUCKET}/{name}"
    defaults = {name: slot.get("Default") for name, slot in source.get("Parameters", {}).items()}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    return Translated(translator.translate(source, {**defaults, **parameters}), folders)


def _with_includes(node: Any, home: Path) -> Any:
    """The same document with each AWS::Include of a local file replaced by what the file holds."""
    if isinstance(node, list):
        return [_with_includes(item, home) for item in node]
    if not isinstance(node, dict):
        return node
    included = node.get("Fn::Transform")
    if included is None:
        return {key: _with_includes(value, home) for key, value in node.items()}
    if included.get("Name") != "AWS::Include" or len(node) > 1:
        raise TemplateError(f"only a lone AWS::Include is understood here: {json.dumps(node)[:200]}")
    location = home / included["Parameters"]["Location"]
    try:
        return yaml_parse(location.read_text())
    except OSError as error:
        raise TemplateError(f"AWS::Include: cannot read {location}: {error.strerror}") from error
