# Two commands matter: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
ONCE ?=
DATA ?=
SCHEMA ?=
PORT ?= 8000
MINUTES ?=
SERVER ?=
export RUST_BACKTRACE = 0
export PYTHONUNBUFFERED = 1

.PHONY: demo up setup setup-dev test test-long check check-types check-rest lock format docs screenshots clean

ifdef UV
INSTALL = $(UV) pip install --quiet --python $(PY) --require-hashes -r
else
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r
endif

demo: setup ## run the main job on a real table, then serve the site (ONCE=1 stops after the download)
	@exec $(PY) manage.py demo $(if $(ONCE),--once) $(if $(DATA),--data "$(DATA)") $(if $(SCHEMA),--schema "$(SCHEMA)") --port $(PORT)

up: setup ## every process of docker/compose.yaml here, on PostgreSQL (SERVER=url) and Redis, on loopback, until Ctrl-C
	@exec $(PY) manage.py up $(if $(SERVER),--server "$(SERVER)") $(if $(ONCE),--once) $(if $(MINUTES),--minutes $(MINUTES)) --port $(PORT)

setup: $(VENV)/.installed ## create .venv from the hash-locked requirements

setup-dev: $(VENV)/.installed-dev

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(PY)
	$(INSTALL) requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(PY)
	$(INSTALL) requirements-dev.lock
	@touch $(VENV)/.installed $@

$(VENV)/.installed-spark: requirements-spark.lock | $(VENV)/.installed-dev
	$(INSTALL) requirements-spark.lock
	@touch $@

# In the order of their names: by numbers of tests, the journeys and demonstrations that take minutes would come last.
test: setup-dev ## every quick test; browser tests too when Chromium is there
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: setup-dev $(VENV)/.installed-spark ## the privacy claim's tests at full size; writes docs/reliability.md (hours; MINUTES=5 caps each test)
	$(PY) -m pytest -m long_sizes --sizes long $(if $(MINUTES),--minutes $(MINUTES))

check: setup-dev ## style, types, contracts, security lint, images, migrations, generated docs, templates, settings
	@$(MAKE) --jobs 2 check-types check-rest

check-types: setup-dev # takes as long as all the rest
	$(PY) -m mypy .

check-rest: setup-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports
	cd client && ../$(VENV)/bin/lint-imports
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml llmsynthor_site synthesis privacy audit docker manage.py
	$(VENV)/bin/hadolint docker/Dockerfile
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose.yaml
	$(VENV)/bin/shellcheck docker/*.sh
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py build_docs --check
	$(PY) manage.py build_messages --check
	@mkdir -p var
	$(PY) manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml && cmp var/openapi.yaml docs/openapi.yaml
	$(PY) -m benchmarks.report --check
	$(PY) manage.py check_templates
	@mkdir -p var/deploy && ln -sfn /dev var/deploy/anchors
	PRODUCTION=1 SITE_DIR=var/deploy ANCHORS_APART=/dev SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(60))') \
		DATABASE_URL=postgres://site@db/state LOG_DATABASE_URL=postgres://site@db/log \
		$(PY) manage.py check --deploy --fail-level WARNING

SHOTS = gate-measure=rehearsal run=run-researcher prompt=prompt exposure=desk-exposure compare=compare

screenshots: setup-dev ## take the pictures of docs/screenshots again, by the browser tests that look at every page
	SCREENSHOTS=test-results $(PY) -m pytest -q tests/functional/test_pages.py tests/functional/test_role_pages.py tests/functional/test_auditor.py -k "every_page or these_pages"
	$(foreach one,$(SHOTS),cp test-results/$(lastword $(subst =, ,$(one)))-light-1280.png docs/screenshots/$(firstword $(subst =, ,$(one))).png;)

docs: setup-dev ## write the generated pages again
	$(PY) manage.py build_docs
	$(PY) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml
	$(PY) -m benchmarks.report

format: setup-dev
	$(PY) -m ruff check --fix . && $(PY) -m ruff format .

lock: ## resolve the requirements again (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-find-links --quiet \
		--extra demo --extra production --extra client --extra telemetry --extra dev -o requirements-dev.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-find-links --quiet \
		--extra demo --extra production -c requirements-dev.lock -o requirements.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-find-links --quiet \
		--extra spark -c requirements-dev.lock -o requirements-spark.lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-find-links --quiet \
		--extra telemetry -c requirements-dev.lock -o requirements-telemetry.lock

clean:
	rm -rf $(VENV) var
