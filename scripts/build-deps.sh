#!/bin/sh
# Installs the Debian packages that building Benchtop needs, if they are missing. Runs as root or through sudo.
set -eu

# What for: gcc, libc6-dev, libseccomp-dev: runc and pause, linked statically. dpkg: unpacks Debian packages for
# images. python3, python3-pip: fetch the lab runtime's wheels. npm: the browser's scripts. ca-certificates: downloads.
packages="gcc libc6-dev libseccomp-dev pkg-config dpkg python3 python3-pip npm ca-certificates"

missing=""
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
	for p in $packages; do
		case $p in
		# A program that was installed in another way (pyenv, nvm, Node's own packages) will do.
		python3) command -v python3 >/dev/null 2>&1 && continue ;;
		npm) command -v npm >/dev/null 2>&1 && continue ;;
		python3-pip) python3 -m pip --version >/dev/null 2>&1 && continue ;;
		esac
		status=$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null || true)
		[ "$status" = "ii " ] || missing="$missing $p"
	done
else
	cat >&2 <<-EOF
		build-deps: this is not a Debian system (no apt-get), so nothing was installed. Building Benchtop needs:
		  - a C compiler (gcc) with the static C library, pkg-config, and libseccomp with its static library and headers
		  - python3 with pip, and Node.js with npm
		  - dpkg-deb and apt-get to fetch and unpack Debian packages; on other systems build in a Debian 12 container
		    or chroot
	EOF
	exit 1
fi
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "build-deps: missing:$missing. Run as root: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
echo "build-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! $sudo apt-get install -y -q --no-install-recommends $missing; then
	# The lists of packages are absent or older than the mirror.
	$sudo apt-get update -q
	$sudo apt-get install -y -q --no-install-recommends $missing
fi
