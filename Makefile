# Everything runs in .venv, which is made once and again only when the locked dependencies change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
IMAGE := discovery-demo:dev
KIND := discovery

# need TOOL,REMEDY: one line for whoever lacks it. answers COMMAND,LINE: the same where it is of no use.
need = @command -v $(1) >/dev/null || { echo "make $@: there is no $(1) on PATH: $(2)" >&2; exit 2; }
answers = @$(1) >/dev/null 2>&1 || { echo "make $@: $(2)" >&2; exit 2; }
DOCKER := see https://docs.docker.com/get-started/get-docker/
KUBECTL := see https://kubernetes.io/docs/tasks/tools/
KIND_GO := see https://kind.sigs.k8s.io/docs/user/quick-start/

.PHONY: help compare readme simulate micro test test-cluster soak check format proto lock clean
.PHONY: image kind-up kind-compare kind-down

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

compare: $(READY)  ## Measure what each way of finding a server does; options: ARGS="--quick"
	@$(BIN)/python -m benchmarks.compare $(ARGS)

readme: $(READY)  ## Draw the README's picture and tables anew from docs/comparison.json
	@$(BIN)/python -m benchmarks.compare --from docs/comparison.json --png docs/images/comparison.png --markdown README.md

micro: $(READY)  ## Measure what a pick and a change of endpoints cost; options: ARGS="--processes 10"
	@$(BIN)/python -m benchmarks.micro $(ARGS)

simulate: $(READY)  ## Have the policies pick in simulated time, and check what they promise; options: ARGS="--quick"
	@$(BIN)/python -m benchmarks.simulate $(ARGS)

test: $(READY)  ## Run the test suite, in three parts at once; options: ARGS="-k pool"
	@$(BIN)/python -m tests.side_by_side -m "not soak" $(ARGS)

test-cluster: $(READY)  ## Run the tests of Kubernetes' rules and of the watch on the cluster of KUBECONFIG
	DISCOVERY_CLUSTER=kubeconfig DISCOVERY_TESTS_OUTSIDE=1 $(BIN)/python -m pytest tests/cluster tests/lab/conformance $(ARGS)

soak: $(READY)  ## Run the tests that take longer
	$(BIN)/python -m pytest -m soak $(ARGS)

check: $(READY)  ## Lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(READY)  ## Generate protos/echo_pb2*.py from protos/echo.proto
	$(BIN)/python -m grpc_tools.protoc -I . --python_out=. --pyi_out=. --grpc_python_out=. protos/echo.proto

lock: $(READY)  ## Choose the newest versions of all dependencies and write them down
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-package discovery-lb --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml k8s/image.in --extra http --extra grpc --extra kubernetes --extra dns \
	  --extra xds --constraint requirements.lock --universal --python-version 3.13 \
	  --generate-hashes --no-emit-package discovery-lb --no-header --quiet -o k8s/image.lock

image:  ## Build the image of provider, consumer, control plane and load (Docker)
	$(call need,docker,$(DOCKER))
	$(call answers,docker version,docker's daemon does not answer: start it; docker version tells more)
	docker build --tag $(IMAGE) .

kind-up:  ## Start a cluster in Docker, with all of k8s/overlays/kind (Docker, kind, kubectl)
	$(call need,kind,$(KIND_GO))
	$(call need,kubectl,$(KUBECTL))
	@$(MAKE) --no-print-directory image
	kind get clusters | grep -qx $(KIND) || kind create cluster --name $(KIND) --config k8s/kind.yaml --wait 120s
	kind load docker-image $(IMAGE) --name $(KIND)
	kubectl --context kind-$(KIND) apply -k k8s/overlays/kind
	kubectl --context kind-$(KIND) -n discovery-demo rollout restart deployment
	for each in echo consumer xds; do \
	  kubectl --context kind-$(KIND) -n discovery-demo rollout status deployment $$each --timeout 180s || exit; done

kind-compare:  ## Compare in that cluster; options: ARGS="--quick"
	$(call need,kubectl,$(KUBECTL))
	$(call answers,kubectl --context kind-$(KIND) get --raw /readyz,no cluster answers as kind-$(KIND): make kind-up)
	@$(MAKE) --no-print-directory compare ARGS="--cluster --context kind-$(KIND) $(ARGS)"

kind-down:  ## Remove that cluster
	$(call need,kind,$(KIND_GO))
	kind delete cluster --name $(KIND)

clean:  ## Remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
