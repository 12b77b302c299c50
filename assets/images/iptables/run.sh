#!/bin/sh
# Runs an iptables or ipset program with the C library it was built for, so that it works on a host with another one
# or none. The name it is called by says which; the directory it lies in (nft or legacy) says which kernel interface.
here=${0%/*}
name=${0##*/}
lib=$here/../lib
case $name in
ipset) program=ipset ;;
*) program=xtables-${here##*/}-multi ;;
esac
XTABLES_LIBDIR=$lib/xtables exec "$lib/ld.so" --library-path "$lib" --argv0 "$name" "$lib/$program" "$@"
