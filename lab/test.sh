#!/bin/sh
# Lint and test the workloads: lab/test.sh [pytest arguments].
#
# All tests run in two processes, each with servers of its own; with arguments, in one.
#
# Makes what it needs once, outside the tree, in ${BENCHTOP_CACHE:-~/.cache/benchtop}: a virtual environment from
# requirements.lock, and, unless BENCHTOP_TEST_S3 names an S3 endpoint (http://<access key>:<secret key>@host:port),
# a MinIO server built from the main module's pins. BENCHTOP_TEST_MLFLOW names another registry than the real MLflow
# server that the tests start (http://<user>:<password>@host:port). Needs python3.11 (with venv) and go.
set -eu
cd "$(dirname "$0")"
cache=${BENCHTOP_CACHE:-$HOME/.cache/benchtop}
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || {
	echo "lab/test.sh: $python is not installed; install Debian's python3.11 and python3.11-venv, or set PYTHON" >&2
	exit 1
}
mkdir -p "$cache"

key=$({ cat requirements.lock && "$python" -VV; } | sha256sum | cut -c1-16)
venv=$cache/venv-$key
if [ ! -e "$venv/.complete" ]; then
	# One at a time, and marked when whole: a virtual environment can't be moved into place.
	exec 9>"$venv.lock"
	flock 9
	if [ ! -e "$venv/.complete" ]; then
		rm -rf "$venv"
		"$python" -m venv "$venv"
		"$venv/bin/pip" install --quiet --require-hashes --only-binary :all: -r requirements.lock
		touch "$venv/.complete"
	fi
	exec 9>&-
fi

if [ -z "${BENCHTOP_TEST_S3:-}" ] && [ -z "${BENCHTOP_TEST_MINIO:-}" ]; then
	version=$(go list -m -f '{{.Version}}' github.com/minio/minio)
	BENCHTOP_TEST_MINIO=$cache/minio-$version
	if [ ! -x "$BENCHTOP_TEST_MINIO" ]; then
		echo "lab/test.sh: building MinIO $version for the tests (once)" >&2
		CGO_ENABLED=0 go build -ldflags '-s -w' \
			-tags 'netgo osusergo providerless urfave_cli_no_docs no_cri_dockerd static_build no_antithesis_sdk' \
			-o "$BENCHTOP_TEST_MINIO.$$" github.com/minio/minio
		mv "$BENCHTOP_TEST_MINIO.$$" "$BENCHTOP_TEST_MINIO"
	fi
	export BENCHTOP_TEST_MINIO
fi

export PYTHONDONTWRITEBYTECODE=1 RUFF_NO_CACHE=true
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
# A file's tests share what they have started, so each process begins with half of the files; the first to be done takes
# over half of what the other has left. More processes than two start more servers than they save time.
[ $# -gt 0 ] || set -- -n 2 --dist worksteal
exec "$venv/bin/python" -m pytest "$@"
