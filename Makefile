.PHONY: test
test: .venv/ready
	.venv/bin/python -m pytest -n auto -q

.venv/ready: pyproject.toml
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/pip install -q -e . pytest pytest-xdist pytest-timeout hypothesis ruff mypy
	touch $@
