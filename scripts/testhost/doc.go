// Package testhost makes a private Linux host out of namespaces, so that tests
// run the built binary as root without touching the machine they run on.
//
// A host has its own network, mounts, processes, hostname and cgroup subtree.
// It is plugged into a LAN of its own, on which one other machine lives: the
// client, which is also the router. By default its root file system is a
// minimal Debian, so that what works here works on a clean machine.
//
// The package must be run by root. A program that imports it also serves as
// the host's init and as the helper that enters it: see reexec.go.
package testhost
