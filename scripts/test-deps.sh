#!/bin/sh
# Installs the Debian packages that the tests need besides the build's, if they are missing.
set -eu

# What for: chromium: pages in a real browser. iproute2, util-linux, iptables: the private test host. mmdebstrap: its
# minimal root filesystem. e2fsprogs: its small disk. zstd: reading images. python3-venv: clients and workloads.
# curl: asking as a user would. nginx-light: somebody's reverse proxy. skopeo: image archives as others write them.
# fonts-dejavu-core: text in screenshots.
packages="chromium iproute2 util-linux iptables mmdebstrap e2fsprogs zstd curl nginx-light skopeo fonts-dejavu-core"

missing=""
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null || true)
	[ "$status" = "ii " ] || missing="$missing $p"
done
# Any Python 3.11 that can make a virtual environment will do.
python3.11 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3.11-venv"
[ -n "$missing" ] || exit 0

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "test-deps: installing$missing"
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of packages
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
