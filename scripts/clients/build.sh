#!/bin/sh
# Builds the clients that tests use as a user's laptop would, kubectl and helm as programs of their own, and prints
# where they are. They are kept by the hash of what they are built from.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
go=${GO:-go}
key=$({ $go version; cd "$here" && cat go.mod go.sum kubectl/main.go build.sh; } | sha256sum | cut -c1-16)
dir=${BENCHTOP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/benchtop}/clients/$key
if [ ! -d "$dir" ]; then
	echo "building kubectl and helm for the tests (a few minutes, once)" >&2
	mkdir -p "$(dirname "$dir")"
	new=$(mktemp -d "$dir-XXXXXX")
	trap 'rm -rf "$new"' EXIT
	cd "$here"
	CGO_ENABLED=0 GOFLAGS= $go build -trimpath -ldflags "-s -w" -o "$new/" ./kubectl helm.sh/helm/v3/cmd/helm
	chmod 0755 "$new"
	mv "$new" "$dir"
	trap - EXIT
fi
echo "$dir"
