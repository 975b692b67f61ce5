# Every target sets up what it needs, once. `make` alone says what there is.
# PYTHON=… picks the interpreter; the variables of `make local` are explained in docs/local.md.
.DEFAULT_GOAL := help
.PHONY: help setup local test check check-style check-types check-template check-security audit sbom synth deploy destroy bench soak mutants clean

# Container images often set it; then each of the hundreds of processes of a run compiles its modules anew.
unexport PYTHONDONTWRITEBYTECODE

SETUP := @sh local/setup.sh
BIN := .venv/bin
# One for the functions, one for the app, one each for the tools.
LOCKS := lambda/requirements.txt requirements.txt requirements-dev.txt $(wildcard local/*requirements.txt)

help:  ## this list
	@sed -n 's/^\([a-z]*\): .*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-14s %s\n", $$1, $$2 }'

setup:  ## .venv with what unit tests need; then .venv/bin/pytest FILE
	$(SETUP) app dev

local:  ## deploy to a local AWS, show a session, stay up until Ctrl-C
	$(SETUP) app node ministack
	@exec $(BIN)/python -m local

test:  ## all checks and tests, in parallel
	$(SETUP) app dev node ministack awscli clients audit runtime
	@exec $(BIN)/python -m pytest $(or $(PYTEST_ARGS),--cov --cov-report= -p tests.branch_coverage)

check: check-style check-types check-template check-security  ## ruff, mypy strict, cfn-lint, cdk-nag, checkov, policies

check-style:
	$(SETUP) app dev
	@echo 'ruff check, ruff format'
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet

check-types:
	$(SETUP) app dev
	@echo 'mypy'
	@$(BIN)/mypy

check-template:
	$(SETUP) app dev node
	@echo 'cdk synth, cfn-lint'
	@$(BIN)/cdk synth --quiet --output .local/check/cdk.out $(CDK_ARGS)
	@$(BIN)/cdk synth --quiet --output .local/check/member -c hub=111122223333
	@# W3005: CDK writes dependencies out that CloudFormation would find by itself.
	@$(BIN)/cfn-lint --include-checks I --ignore-checks W3005 -- .local/check/cdk.out/*.template.json .local/check/member/*.template.json

check-security:
	$(SETUP) app dev node audit
	@echo 'cdk-nag, checkov, policy_sentry'
	@$(BIN)/python -m pytest tests/infrastructure/test_security_rules.py tests/infrastructure/test_policies.py

audit:  ## look for known vulnerabilities in every lock (asks pypi.org)
	$(SETUP) audit
	@for lock in $(LOCKS); do \
	    echo "$$lock"; \
	    .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$lock \
	        || { echo "error: $$lock has known vulnerabilities, or pypi.org could not be asked about it: see the lines above"; exit 1; }; \
	done

sbom:  ## write the CycloneDX list of the functions' packages to .local/sbom.json
	$(SETUP) audit
	@.venv-audit/bin/cyclonedx-py requirements lambda/requirements.txt --output-reproducible \
	    -o .local/sbom.json && echo .local/sbom.json

synth:  ## write the CloudFormation template to cdk.out; CDK_ARGS="-c hub=ACCOUNT" for that of a member
	$(SETUP) app node
	@exec $(BIN)/cdk synth --quiet $(CDK_ARGS)

deploy:  ## deploy to AWS with your credentials; settings in CDK_ARGS="-c key=value"
	$(SETUP) app node
	@exec $(BIN)/cdk deploy $(CDK_ARGS)

destroy:  ## remove the stack from AWS; says what remains, and how to remove that
	$(SETUP) app node
	@exec $(BIN)/python -m local.destroy $(CDK_ARGS)

bench:  ## measure speed, memory and cost beside what a user would write; writes bench/RESULTS.md
	$(SETUP) app awscli
	@exec $(BIN)/python -m bench

soak:  ## load, faults, redeployments, restarts for SOAK_MINUTES (20), and all repeated tests in full; writes soak/RESULTS.md
	$(SETUP) app dev node ministack
	@JOB_LEDGER_FULL=1 $(BIN)/python -m pytest -m full
	@exec $(BIN)/python -m soak

mutants:  ## mutation testing, one to two hours; PACKAGE=lookup for one package, resumes where it stopped
	$(SETUP) mutants
	@exec $(BIN)/python -m tests.mutants $(PACKAGE)

clean:  ## remove everything that make has made
	@rm -rf .venv .venv-* .local node_modules cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
