#!/bin/sh
# Write requirements.lock from requirements.in. Run it after changing that file or the lab runtime's lock.
# Needs python3.11; packages that the lab runtime's image has too are held at the image's versions.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pip-tools
sed -n 's/^\([A-Za-z0-9_.-]*==[^ ;]*\).*/\1/p' ../assets/images/lab-python/requirements.*.lock ../assets/images/lab-build/requirements.*.lock | sort -u >"$work/constraints.txt"
"$work/venv/bin/pip-compile" --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --constraint "$work/constraints.txt" --output-file "$work/lock" requirements.in
{
	echo "# Written by lab/lock.sh from requirements.in."
	cat "$work/lock"
} >requirements.lock
