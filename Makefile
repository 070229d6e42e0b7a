# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PROJECT_ENVIRONMENT := $(VENV)
# Hospital networks look into TLS: trust what the machine trusts.
export UV_SYSTEM_CERTS := 1
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
# A machine without network is told so in seconds, and another apt is waited for.
APT := apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o DPkg::Lock::Timeout=120
ONNXRUNTIME ?= $(if $(wildcard /proc/driver/nvidia/version),gpu,cpu)

.PHONY: install demo test bench bench-peers lint format clean browser

install: $(VENV)/.installed

$(VENV)/bin/uv:
	@echo "kincast: making the environment in $(VENV) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "kincast needs Python 3.11 to 3.13, this is %d.%d: set PYTHON=/path/to/python3.12" % v)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	 { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && echo "kincast: installing python3-venv ..." && \
	   $(APT) update && DEBIAN_FRONTEND=noninteractive $(APT) install -y python3-venv >/dev/null; } || \
	 { echo "kincast: this Python cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml uv.lock $(VENV)/bin/uv $(shell find streaming/display/web -type f -not -path '*/node_modules/*' 2>/dev/null)
	@echo "kincast: installing the locked packages (about a minute) ..."
	@$(BIN)/uv sync --frozen --inexact --quiet --python $(BIN)/python --extra $(ONNXRUNTIME) --extra c3d --extra cluster --extra dev
	@echo "kincast: building the display ..."
	@$(BIN)/python -m kincast.streaming.display.build
	@touch $@

demo: install
	@$(BIN)/kincast demo $(if $(SOURCE),--source "$(SOURCE)") $(DEMO_ARGS)

# Debian's chromium for the page tests; where it cannot be installed they are skipped with a reason.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || \
	 { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && \
	   echo "kincast: installing chromium for the page tests ..." && \
	   $(APT) update && DEBIAN_FRONTEND=noninteractive $(APT) install -y chromium >/dev/null; } || \
	 echo "kincast: no chromium here and none to be installed: page tests will be skipped"

test: install browser
	@$(BIN)/python -m pytest

bench: install
	@$(BIN)/python -m pytest -m slow --timeout 3600
	@$(BIN)/python -m tests.bench

# Pose2Sim in an environment of its own, beside kincast on the same keypoints. OpenSim's wheel has the inverse kinematics.
PEERS := build/peers
$(PEERS)/.installed: $(VENV)/bin/uv
	@echo "kincast: installing Pose2Sim in $(PEERS) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	@$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python pose2sim==0.10.49 opensim==4.6
	@touch $@

bench-peers: install $(PEERS)/.installed
	@$(BIN)/python -m tests.bench.peers --pose2sim $(PEERS)/bin/python --seconds 10 $(PEERS_ARGS)

lint: install
	@mkdir -p build/typing/kincast
	@for room in capture streaming models offline deploy; do ln -sfn ../../../$$room build/typing/kincast/$$room; done
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

format: install
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf build dist $(VENV) streaming/display/static streaming/display/web/node_modules
