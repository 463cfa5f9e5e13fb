DURATION ?= 120

# Most tests wait for real servers rather than for a processor.
WORKERS ?= $(shell expr 2 \* $$(nproc))

.PHONY: help demo test test-system test-vendors fuzz soak bench planted lint docs release audit requirements clean

help:
	@echo "make demo [DURATION=120]   the main job, before your eyes"
	@echo "make test                  every test that this machine can run, in parallel"
	@echo "make test-system           what needs root: systemd in a Debian that boots, and containers"
	@echo "make test-vendors          the CDNs' own Python clients against the stand-ins"
	@echo "make fuzz SECONDS=600      mutate what strangers send, for every parser"
	@echo "make soak                  every deploy fault on every proxy, and hundreds of rotations under load"
	@echo "make bench                 what it costs: time, requests, memory"
	@echo "make planted               plant bugs in a copy and see the tests catch them"
	@echo "make lint                  format, then judge: ruff, mypy, import-linter"
	@echo "make docs                  the documents as a site with search, in .lab/site"
	@echo "make release               wheel, sdist, pinned requirements, bill of materials, checksums, in dist/"
	@echo "make audit                 ask for known vulnerabilities of the pinned packages"
	@echo "make requirements          pin the Python packages by hash"
	@echo "make clean                 remove what the others made"

demo:
	@tests/lab/setup demo
	@.venv/bin/python -m tests.demo --duration $(DURATION)

test:
	@tests/lab/setup test
	@.venv/bin/python -m pytest -n $(WORKERS) -q -p tests.second_try $(PYTEST)

test-system:
	@tests/lab/setup system
	@.venv/bin/python -m tests.system.fetch
	@CERTD_TEST_SYSTEM=1 .venv/bin/python -m pytest -n0 -q --timeout 900 tests/system $(PYTEST)

test-vendors:
	@tests/lab/setup test
	@test -x .lab/vendors/bin/python || python3 -m venv .lab/vendors
	@.lab/vendors/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/vendors.txt
	@CERTD_TEST_VENDORS=1 .venv/bin/python -m pytest -n0 -q tests/vendors $(PYTEST)

SECONDS ?= 60
fuzz:
	@tests/lab/setup test
	@.venv/bin/python -m tests.fuzz $(SECONDS)

soak:
	@tests/lab/setup test
	@CERTD_TEST_SOAK=1 .venv/bin/python -m pytest -n0 -q -s --timeout 1200 tests/soak $(PYTEST)

bench:
	@tests/lab/setup test
	@.venv/bin/python -m tests.bench $(BENCH)

planted:
	@tests/lab/setup test
	@.venv/bin/python -m tests.planted $(PLANTED)

lint:
	@tests/lab/setup test
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	.venv/bin/mypy
	.venv/bin/lint-imports

docs:
	@tests/lab/setup test
	@.venv/bin/python -m tests.reference
	@test -x .lab/docs/bin/mkdocs || python3 -m venv .lab/docs
	@.lab/docs/bin/pip install -q --require-hashes -r requirements/docs.txt
	@.lab/docs/bin/mkdocs build --strict

release:
	@.ci/release

audit:
	@test -x .lab/audit/bin/pip-audit || python3 -m venv .lab/audit
	@.lab/audit/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@.ci/audit

# Needs uv (any version); the files name no addresses, only versions and hashes.
COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
EXTRAS = postgres route53 lexicon acm apprise
requirements:
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --extra dev pyproject.toml -c requirements/runtime.txt -o requirements/dev.txt
	for extra in $(EXTRAS); do \
	    $(COMPILE) --extra $$extra pyproject.toml -c requirements/dev.txt -o requirements/$$extra.txt || exit 1; done
	uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate $(addprefix --extra ,$(EXTRAS)) \
	    pyproject.toml -c requirements/dev.txt -o constraints.txt
	printf 'cloudflare==5.9.0\nfastly==15.0.0\nkeycdn==0.4.3\n' | $(COMPILE) - -o requirements/vendors.txt
	printf 'cyclonedx-bom\nhatchling\n' | $(COMPILE) - -o requirements/release.txt
	printf 'pip-audit\n' | $(COMPILE) - -o requirements/audit.txt
	printf 'mkdocs-material\n' | $(COMPILE) - -o requirements/docs.txt
	printf 'hatchling\neditables\n' | $(COMPILE) - -o requirements/build.txt

clean:
	rm -rf .venv .lab .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
