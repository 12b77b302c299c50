#!/bin/sh
# Prints a folder that installers take for a package index once a web server shows it: a folder for each project, with
# the wheels that a lock names. It is kept by the hash of what it is made from.
#
#   scripts/clients/wheels.sh LOCK
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
lock=$1
dir=${BENCHTOP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/benchtop}/index-$(cat "$lock" "$0" | sha256sum | cut -c1-16)
if [ ! -d "$dir" ]; then
	mkdir -p "$(dirname "$dir")"
	pip=$("$here/../../embedded/registry/clienttest/run" venv installers)/bin/pip
	new=$(mktemp -d "$dir-XXXXXX")
	trap 'rm -rf "$new"' EXIT
	"$pip" download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 \
		--platform manylinux_2_28_x86_64 --platform any --dest "$new" -r "$lock" >&2
	for wheel in "$new"/*.whl; do
		name=$(basename "$wheel")
		project=$new/$(echo "${name%%-*}" | tr _ - | tr '[:upper:]' '[:lower:]')
		mkdir -p "$project"
		mv "$wheel" "$project/"
	done
	chmod 0755 "$new"
	mv -T "$new" "$dir" 2>/dev/null || [ -d "$dir" ]
fi
echo "$dir"
