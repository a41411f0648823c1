# `make` alone lists the targets. Each installs what it needs; the output of a run is under build/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
REGION := eu-central-1
TIERS := unit controller sandbox cli proof host e2e screenshots

# To boot the hosts, which are systemd-nspawn machines, takes root.
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),$(if $(shell command -v sudo),sudo -E,))

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

# ------------------------------------------------------------------------------------------------ set-up

.PHONY: setup
setup: build/setup/packages build/setup/jars build/setup/dynamodb-local/installed  ## install all dependencies (Debian 12, Ubuntu 24.04; root or sudo)

build/setup/packages: lab/setup.sh
	@lab/setup.sh packages
	@mkdir -p $(@D) && touch $@

# The virtual environments need no root where there is a Python of 3.11 or later, DynamoDB Local none where there are a
# JDK and Maven: then `make test-unit test-controller test-sandbox test-cli test-proof check` needs none either.
build/setup/java: lab/setup.sh
	@lab/setup.sh java
	@mkdir -p $(@D) && touch $@

$(VENV)/installed: requirements/dev.txt
	@lab/setup.sh venv $(VENV) $<
	@touch $@

.venv-sam/installed: requirements/sam.txt
	@lab/setup.sh venv .venv-sam $<
	@touch $@

.venv-checkov/installed: requirements/checkov.txt
	@lab/setup.sh venv .venv-checkov $<
	@touch $@

# Known vulnerabilities of Python packages, if they can be downloaded.
build/setup/advisories:
	@lab/setup.sh advisories $@

# Maven downloads the dependencies of the Spring Boot application; later builds need no network.
build/setup/jars: $(wildcard lab/samples/*.java lab/samples/*.py) $(shell find lab/samples/spring -type f 2>/dev/null) | $(VENV)/installed build/setup/java
	@$(PY) -m lab.samples.build --label 1.0.0 build/jars >/dev/null
	@$(PY) -m lab.samples.build --spring --label 1.0.0 build/jars >/dev/null
	@mkdir -p $(@D) && touch $@

# DynamoDB local, for the tests of the store; its licence forbids redistribution.
build/setup/dynamodb-local/installed: tests/controller/dynamodb-local/pom.xml | build/setup/java
	@rm -rf $(@D) && mkdir -p $(@D)
	@mvn -q -B -C -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D) 2>&1 \
		| sed 's/\x1b\[[0-9;]*m//g'
	@touch $@

# ---------------------------------------------------------------------------------------------- the lab

.PHONY: demo
demo: setup  ## five deployments to a real host under load, with a table and a chart
	@$(AS_ROOT) $(PY) -m lab.sandbox.demo

.PHONY: sandbox
sandbox: setup  ## AWS and one host on this machine, until Ctrl-C
	@$(AS_ROOT) $(PY) -m lab.sandbox

.PHONY: screenshots
screenshots: setup  ## the pages' pictures, taken in Chromium during a real run; elsewhere, sooner: TO=/tmp/pictures MINUTES=0
	@$(AS_ROOT) env PYTHONPATH=layers/twinslot $(PY) -m lab.screenshots $(if $(TO),--to $(TO)) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: chaos
chaos: setup  ## inject every fault into real hosts under load; some only: FAULT='nginx/ host/'
	@$(AS_ROOT) $(PY) -m lab.chaos $(FAULT)

.PHONY: model
model: $(VENV)/installed  ## check every interleaving of uploads, rollbacks, crashes and races, to a given depth
	@PYTHONPATH=layers/twinslot $(PY) -m lab.model

.PHONY: bench-cold
bench-cold: $(VENV)/installed  ## measure a handler's import time, against boto3 and its clients alone
	@$(PY) -m lab.bench.cold_import

.PHONY: bench-cost
bench-cost: setup  ## count the AWS calls of a deployment, and their cost
	@$(AS_ROOT) $(PY) -m lab.bench.cost

.PHONY: bench-flip
bench-flip: setup  ## measure a flip's lost requests and delay, against nginx -s reload
	@$(AS_ROOT) $(PY) -m lab.bench.flip

# ------------------------------------------------------------------------------------------------- tests

# Each tier is a separate run, so that tiers cannot affect each other. A tier without a test fails.
.PHONY: test
test: setup  ## run all tiers; one only: test-unit, test-controller and so on
	@rm -f build/test/*.log; failed=; \
	for tier in $(TIERS); do $(MAKE) test-$$tier || failed="$$failed $$tier"; done; \
	printf '\n%s\n' "results:"; \
	for tier in $(TIERS); do echo "$$tier"; tail -n 1 build/test/$$tier.log || true; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

.PHONY: test-unit test-controller test-sandbox test-cli test-proof test-host test-e2e test-screenshots
test-controller: build/setup/dynamodb-local/installed
# One test asks the SAM CLI; elsewhere it is skipped without it.
test-unit: $(if $(CI),.venv-sam/installed)
test-unit test-controller test-sandbox test-cli test-proof: $(VENV)/installed
	@mkdir -p build/test
	@$(PY) -m pytest tests/$(@:test-%=%) 2>&1 | tee build/test/$(@:test-%=%).log

test-host test-e2e test-screenshots: setup
	@mkdir -p build/test
	@$(AS_ROOT) $(PY) -m pytest tests/$(@:test-%=%) 2>&1 | tee build/test/$(@:test-%=%).log

# ------------------------------------------------------------------------------------------------ checks

.PHONY: check
check: check-code check-language check-files check-template check-security  ## style, types, imports, language, project files, the template, security

.PHONY: check-code
check-code: $(VENV)/installed
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy layers/twinslot/twinslot functions cli host lab requirements .ci/phrases.py
	@PYTHONPATH=.:layers/twinslot:host:cli $(VENV)/bin/lint-imports --no-logo
	@$(PY) host/embed.py --check

# Phrases that .ci/phrases.toml lists must not come back.
.PHONY: check-language
check-language: $(VENV)/installed
	@$(PY) .ci/phrases.py

# What GitHub, Dependabot and pre-commit read, by the schemas that check-jsonschema carries.
SCHEMA = $(VENV)/bin/check-jsonschema --quiet --builtin-schema
.PHONY: check-files
check-files: $(VENV)/installed
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	@$(SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(SCHEMA) vendor.dependabot .github/dependabot.yml
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(VENV)/bin/pre-commit validate-config .pre-commit-config.yaml
	@echo "workflows, issue forms, Dependabot and pre-commit: valid"

define TRANSLATE
import json, pathlib
from lab.sandbox.stack.template import translate
document = translate(pathlib.Path("template.yaml"), "$(REGION)", {}).document
# checkov checks only what the parameters' defaults create.
document["Parameters"]["CreateHost"]["Default"] = "yes"
print(json.dumps(document))
endef
export TRANSLATE

build/translated.json: template.yaml host/document.json lab/sandbox/stack/template.py | $(VENV)/installed
	@mkdir -p $(@D)
	@AWS_DEFAULT_REGION=$(REGION) $(PY) -c "$$TRANSLATE" >$@

# The template is linted as it is, and as CloudFormation gets it: only that shows circular dependencies.
.PHONY: check-template
check-template: $(VENV)/installed build build/translated.json
	@$(VENV)/bin/cfn-lint --regions $(REGION) --template template.yaml
	@$(VENV)/bin/cfn-lint --regions $(REGION) --template build/translated.json
	@AWS_DEFAULT_REGION=$(REGION) SAM_CLI_TELEMETRY=0 $(SAM) validate --lint
	@echo "the template is valid, as it is and translated"

# A finding is fixed, or explained where it is: # noqa in the code, Metadata in the template, .checkov.yaml.
.PHONY: check-security
check-security: $(VENV)/installed .venv-checkov/installed build/translated.json | build/setup/advisories
	@$(VENV)/bin/ruff check --quiet --select S --ignore S101 .
	@$(CHECKOV) --config-file .checkov.yaml --file build/translated.json
	@$(PY) -m requirements.audit build/setup/advisories requirements/*.txt layers/twinslot/requirements.txt

.PHONY: build
build: .venv-sam/installed $(VENV)/installed  ## build what `sam deploy` uploads
	@mkdir -p build
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" SAM_CLI_TELEMETRY=0 $(SAM) build --region $(REGION) >build/sam-build.log 2>&1 \
		|| { cat build/sam-build.log; exit 1; }

# ------------------------------------------------------------------------------------------- maintenance

.PHONY: lock
lock: build/setup/uv/installed  ## resolves pyproject.toml, requirements/*.in and the layer's to exact versions with hashes
	@UV_CUSTOM_COMPILE_COMMAND="make lock"; export UV_CUSTOM_COMPILE_COMMAND; \
	compile="build/setup/uv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links"; \
	$$compile --universal --python-version 3.11 pyproject.toml --extra dev -o requirements/dev.txt; \
	$$compile --universal --python-version 3.11 requirements/sam.in -o requirements/sam.txt; \
	$$compile --universal --python-version 3.11 requirements/checkov.in -o requirements/checkov.txt; \
	$$compile --python-version 3.13 --python-platform aarch64-manylinux2014 --constraint requirements/dev.txt \
		$(addprefix --no-emit-package ,boto3 botocore python-dateutil six urllib3) \
		layers/twinslot/requirements.in -o layers/twinslot/requirements.txt

build/setup/uv/installed: | $(VENV)/installed
	@$(PY) -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check uv && touch $@

.PHONY: clean
clean:  ## remove all results of runs
	@$(AS_ROOT) rm -rf build .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path './.venv*' -prune -o -name __pycache__ -type d -print0 | xargs -0 $(AS_ROOT) rm -rf
