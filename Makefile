# Everything a developer or CI does here. `make` alone says what there is.
#
# Tools come from .venv, made on demand from hash-pinned requirements; the real parts for tests and demo come
# from `python -m testbed install`, which keeps them in one cache folder of the user.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
IMG ?= skillmeat-operator:dev
MANIFESTS ?= manifests/default
PYTEST_ARGS ?=
# Tests mostly wait for servers: more workers than cores, each with real parts of its own (about 1 GB).
WORKERS ?= 4
KIND_CLUSTER ?= skillmeat-operator
# Faults put into each package by `make mutants`, and what they are drawn by.
MUTANTS ?= 100
MUTANTS_SEED ?= 1

# Compiled modules are kept, whatever the shell says: without them each worker of pytest compiles all tests anew.
unexport PYTHONDONTWRITEBYTECODE
# A seed of the simulation replays exactly only where sets have the same order.
export PYTHONHASHSEED := 0

VENV := .venv
VENV_READY := $(VENV)/.complete
RUN := $(VENV)/bin/python
BUILD := build

# Modules that write generated files, and the files that they write.
GENERATORS := skillmeat_operator.api.crd skillmeat_operator.cli.reference
GENERATED := crds docs/reference

MAX_LINES := 400

# An image without a name would be called "." in what is made of it.
define CHECK_IMG
case "$(IMG)" in ""|[:@/.]*|*[[:space:]]*) \
  echo "IMG has to name an image, for example IMG=registry.example.com/skillmeat-operator:1.0." >&2; exit 2;; esac
endef

.PHONY: help
help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the operator at work on the real parts; stays up until Ctrl-C (DEMO_ONCE=1: ends by itself)
	@$(PYTHON) -m testbed check --demo
	@$(PYTHON) -m testbed install --demo & parts=$$!; \
	  trap 'kill $$parts 2>/dev/null || true' EXIT; \
	  $(MAKE) --no-print-directory $(VENV_READY); \
	  trap - EXIT; wait $$parts
	@exec $(RUN) -m testbed.demo

.PHONY: test
test: testbed $(VENV_READY) ## Run all tests, on the real parts (PYTEST_ARGS='-k name')
	@$(RUN) -m pytest $(or $(strip $(PYTEST_ARGS)),-n $(WORKERS) --dist loadfile --no-loadscope-reorder)

.PHONY: test-unit
test-unit: $(VENV_READY) ## Run the tests that need no real parts
	@$(RUN) -m pytest tests/unit tests/testbed $(PYTEST_ARGS)

.PHONY: test-long
test-long: export SIMULATION_DAYS ?= 1000
test-long: $(VENV_READY) ## Run 1,000 days of the simulation (SIMULATION_DAYS=1000 SIMULATION_SEED=1); hours
	@$(RUN) -m pytest tests/simulation/test_random.py $(or $(strip $(PYTEST_ARGS)),-n auto)

.PHONY: mutants
mutants: $(VENV_READY) ## Measure what the tests without real parts notice (MUTANTS=100 MUTANTS_SEED=1)
	@PYTHONPATH=operator:. $(RUN) -m tests.mutants --seed "$(MUTANTS_SEED)" --count "$(MUTANTS)"

.PHONY: lint
lint: $(VENV_READY) ## Check style, imports between the layers, and the length of files
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(VENV)/bin/lint-imports
	@long=$$(find operator -name '*.py' -exec awk 'END {if (NR > $(MAX_LINES)) print FILENAME ": " NR " lines"}' {} \;); \
	  if [ -n "$$long" ]; then echo "Over $(MAX_LINES) lines, split it:"; echo "$$long"; exit 1; fi

.PHONY: typecheck
typecheck: $(VENV_READY) ## Check types (mypy, strict)
	@$(RUN) -m mypy

.PHONY: generate
generate: $(VENV_READY) ## Write the generated files anew
	@for module in $(GENERATORS); do $(RUN) -m "$$module"; done

.PHONY: verify
verify: lint typecheck generate ## All checks without tests; fails when generated files differ
	@git diff --exit-code -- $(GENERATED) || { echo "Generated files differ; commit what make generate wrote."; exit 1; }
	@new=$$(git ls-files --others --exclude-standard -- $(GENERATED)); \
	  if [ -n "$$new" ]; then echo "Generated files are not in git; commit them: $$new"; exit 1; fi
	@echo "verify: all is well"

.PHONY: testbed
testbed: ## Install the real parts: control plane, SkillMeat, Backstage, the judge
	@$(PYTHON) -m testbed install

.PHONY: image
image: ## Build the container image IMG with docker, podman or buildah
	@$(CHECK_IMG)
	@for builder in docker podman buildah; do \
	    if "$$builder" info > /dev/null 2>&1; then exec "$$builder" build -t "$(IMG)" -f Dockerfile .; fi; \
	  done; \
	  echo "No image builder works here; install podman or buildah, or start docker." >&2; exit 2

.PHONY: install-manifest
install-manifest: ## Write install.yaml, the operator with the image IMG in one file
	@$(CHECK_IMG)
	@kubectl=$$(command -v kubectl || true); \
	  if [ -z "$$kubectl" ]; then \
	    $(PYTHON) -m testbed install --only kubectl; kubectl=$$($(PYTHON) -m testbed where kubectl); \
	  fi; \
	  mkdir -p $(BUILD)/install; \
	  image="$(IMG)"; digest=; tag=; \
	  case "$$image" in *@*) digest="$${image#*@}"; image="$${image%%@*}";; esac; \
	  case "$${image##*/}" in *:*) tag="$${image##*:}"; image="$${image%:*}";; esac; \
	  { printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../../%s\n' "$(MANIFESTS)"; \
	    printf 'images:\n- name: skillmeat-operator\n  newName: "%s"\n' "$$image"; \
	    if [ -n "$$digest" ]; then printf '  digest: "%s"\n' "$$digest"; \
	    elif [ -n "$$tag" ]; then printf '  newTag: "%s"\n' "$$tag"; fi; } > $(BUILD)/install/kustomization.yaml; \
	  "$$kubectl" kustomize $(BUILD)/install > $(BUILD)/install.yaml; \
	  mv $(BUILD)/install.yaml install.yaml; echo "install.yaml is written, with the image $(IMG)."

.PHONY: test-kind
test-kind: ## Run the tests of tests/real on a kind cluster
	@docker info > /dev/null 2>&1 && command -v kind > /dev/null \
	  || { echo "Docker does not run here or kind is missing; make test runs the same tests without them." >&2; exit 2; }
	@$(PYTHON) -m testbed install
	@$(MAKE) --no-print-directory $(VENV_READY)
	@kind get clusters | grep -qx $(KIND_CLUSTER) \
	  || kind create cluster --name $(KIND_CLUSTER) --config tests/kind/cluster.yaml
	@mkdir -p $(BUILD)
	@kind get kubeconfig --name $(KIND_CLUSTER) > $(BUILD)/kind.kubeconfig
	@KUBECONFIG=$(CURDIR)/$(BUILD)/kind.kubeconfig USE_EXISTING_CLUSTER=true $(RUN) -m pytest tests/real $(PYTEST_ARGS)

.PHONY: bench
bench: testbed $(VENV_READY) ## Measure against the budgets of the design
	@$(RUN) -m benchmarks

.PHONY: requirements
requirements: $(VENV_READY) ## Pin the newest versions that the *.in files allow, with hashes
	@$(PYTHON) -m venv $(BUILD)/uv && $(BUILD)/uv/bin/pip install --quiet uv
	@compile() { echo "pinning $$2"; $(BUILD)/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links --generate-hashes "$$@"; }; \
	  for name in runtime dev; do compile requirements/$$name.in -o requirements/$$name.txt; done; \
	  for name in go node; do compile testbed/toolchain/$$name.in -o testbed/toolchain/$$name.txt; done; \
	  compile -c testbed/skillmeat/constraints.txt testbed/skillmeat/requirements.in -o testbed/skillmeat/requirements.txt

.PHONY: clean
clean: ## Remove what was made in this tree (the parts in the cache folder stay)
	@rm -rf $(VENV) $(BUILD) dist install.yaml .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} + ; find . -name '*.egg-info' -prune -exec rm -rf {} +

$(VENV_READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -m testbed check --only none
	@echo "Making $(VENV) from requirements/dev.txt (about a minute) …" >&2
	@rm -f $@; $(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
