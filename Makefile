# vaina: every target is a line or two; the logic is in tools/ and deploy/.
SHELL := /bin/bash
PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup protos lint format test test-parts test-unit test-plain judge sim test-sim test-sim-idle soak-scheduler test-component test-cluster bench bench-kubelet soak vm-test exchange conformance bench-writes bench-scheduler up bundle up-self-hosted down logs trace verify-requirements verify-lessons screenshots update-locks verify-locks
# CI's runs can be repeated to the letter: one order of the tests (decision 141).
ORDER := $(if $(CI),--randomly-seed=1)
.DEFAULT_GOAL := help
# A folder of make bundle: taken instead of what would be fetched.
export BUNDLE

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

setup: .venv/.installed protos ## Make the virtual environment with the locked packages

.venv/.installed: requirements/dev.txt deploy/python.sh
	@bash deploy/python.sh

protos: .venv/.installed ## Generate vaina/api from protos/
	@$(PY) tools/gen_protos.py

lint: setup ## ruff, format, mypy, import rules, buf, module size
	@bash tools/lint.sh

format: setup ## Format and fix what can be fixed
	@ruff format . && ruff check --fix .

test-unit: setup ## Pure code, properties, conformance in memory (five minutes)
	@$(PY) -m pytest tests/unit tests/property tests/conformance tests/simulation -n 2 -m "not component and not cluster and not simulation" -q $(ORDER)

test-plain: setup ## The same tests of the apiserver's and the scheduler's work, with all accelerators off (docs/fast-paths.md; two minutes)
	@VAINA_FAST_PATHS=none $(PY) -m pytest tests/unit/apiserver/registry tests/unit/apiserver/requests tests/unit/apiserver/admission \
		tests/unit/scheduler tests/property -n 2 -m "not component and not cluster and not simulation" -q $(ORDER)

judge: setup ## The scheduler beside the plain reference in 2,000 random clusters, accelerators off and on: make judge JUDGE_SEEDS=5000-9000 (one minute)
	@JUDGE_BOTH=1 JUDGE_SEEDS=$(or $(JUDGE_SEEDS),0-2000) $(PY) -m pytest tests/property/test_scheduler_judge.py -k reference -n 2 -q

sim: setup ## Simulate the control plane: make sim SEEDS=20000 FIRST=1000 MINUTES=60, make sim REPLAY='{...}', make sim CRASHES=1
	@$(PY) -m tests.simulation --seeds $(or $(SEEDS),500) --first $(or $(FIRST),1) --minutes $(or $(MINUTES),0) \
		$(if $(REPLAY),--log --replay '$(REPLAY)') $(if $(CRASHES),--crashes)

test-sim: setup ## Mistakes made on purpose are found; a crash at every write changes nothing; then the seeds 1 to 500 (five minutes)
	@$(PY) -m pytest tests/simulation -n 2 -m simulation -q $(ORDER)
	@$(PY) -m tests.simulation --seeds 500 --first 1

soak-scheduler: setup ## The scheduler killed 10 times during 10,000 Pods, and the other faults at that size (20 minutes)
	@SCHEDULER_SOAK=$(or $(SCHEDULER_SOAK),10) $(PY) -m pytest tests/component/test_scheduler_faults.py -q

test-component: setup ## One real service with a real etcd
	@bash tools/test_component.sh

test-cluster: setup ## Docker-in-Docker nodes, the whole flow
	@bash tools/test_cluster.sh

test: ## Everything: what CI runs; the last line says how many tests needed a second try
	@rm -rf .cache/flaky
	@code=0; $(MAKE) --no-print-directory test-parts || code=$$?; bash tools/flaky.sh; exit $$code

test-parts:
	@$(MAKE) --no-print-directory -j2 -Oline lint test-component
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-plain
	@$(MAKE) --no-print-directory -j2 -Oline test-sim-idle test-cluster
	@$(MAKE) --no-print-directory verify-requirements verify-lessons

# Pure computing, on the processor time that tests on the cluster leave: they wait more than they work (decision 164).
test-sim-idle: setup
	@$$(chrt --idle 0 true 2>/dev/null && echo chrt --idle 0) $(MAKE) --no-print-directory test-sim

bench: setup ## Benchmarks: tables and JSON, no timed assertions
	@bash bench/run.sh

bench-writes: setup ## How fast the apiserver writes, beside a no-op server and etcd: table with targets
	@deploy/trixie.sh etcd
	@.venv/bin/python -m bench.apiserver_writes

bench-scheduler: setup ## How fast Pods get nodes: the table of workloads, or one: make bench-scheduler WORKLOAD=SchedulingBasic/500Nodes
	@deploy/trixie.sh etcd
	@$(if $(WORKLOAD),$(PY) -m cli load run $(WORKLOAD) --local,$(PY) -m bench.scheduler) $(ARGS)

bench-kubelet: setup ## What a kubelet costs beside the engine's own calls: starts, ends, rest, a full node
	@bash bench/kubelet.sh $(ARGS)

exchange: setup ## Kubernetes' own scheduler and controllers in place of ours, and ours on its apiserver: make exchange KUBE_BIN=folder
	@VAINA_TAG=vaina-test deploy/build.sh && deploy/trixie.sh etcd && KUBE_BIN=$(abspath $(or $(KUBE_BIN),$(error KUBE_BIN=folder with kube-apiserver, kube-scheduler, kube-controller-manager))) \
		PATH="$(CURDIR)/.tools/bin:$$PATH" $(PY) -m pytest tests/exchange -p no:xdist -v

conformance: setup ## Upstream's conformance tests against the cluster of make up: make conformance E2E_TEST=path E2E_IMAGES=folder (docs/conformance.md)
	@E2E_TEST=$(E2E_TEST) E2E_IMAGES=$(E2E_IMAGES) E2E_REGISTRY=$(E2E_REGISTRY) bash tools/conformance.sh

vm-test: setup ## Nodes on Debian 13 in a virtual machine: cgroup version 2, systemd; the report goes to bench/reports (up to two hours)
	@bash tools/vm_test.sh

soak: setup ## The kubelet killed 100 times, the page open for an hour, and cluster tests that are too long for make test; reports go to bench/reports (an hour and a half)
	@bash tools/soak.sh $(ARGS)

up: setup ## Start the cluster on this machine and watch a first Pod go through the seven steps; without the internet: BUNDLE=folder
	@bash deploy/up.sh

bundle: setup ## Write all that make up fetches into a folder: make bundle TO=bundle
	@TO=$(TO) bash deploy/bundle.sh

up-self-hosted: setup ## Start a cluster whose etcd, apiserver, scheduler and controllers are static Pods of a node
	@bash deploy/up-self-hosted.sh

down: ## Stop the cluster; nothing is left behind
	@bash deploy/down.sh

logs: ## Follow the logs of all services
	@bash deploy/compose.sh logs -f

trace: setup ## Show the seven steps of a Pod: make trace POD=jumpod
	@$(PY) -m cli trace $(POD)

verify-requirements: setup ## List the rows of the requirements with and without a test
	@$(PY) tools/check_requirements.py

verify-lessons: setup ## List the rows of the requirements with and without a lesson
	@$(PY) tools/check_lessons.py

screenshots: setup ## Take the pictures of the page in docs/pictures anew (as root; two minutes). Look at them
	@bash deploy/chromium.sh && bash deploy/trixie.sh etcd && PATH="$(CURDIR)/.tools/bin:$$PATH" $(PY) -m tests.page.pictures

update-locks: ## Resolve the lock files anew (hashed, no hosts)
	@bash tools/update_locks.sh
