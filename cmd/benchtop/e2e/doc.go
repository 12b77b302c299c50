// Package e2e holds the stories that drive the built binary, dist/benchtop,
// as root in a private host: what issue and README promise, in the order in
// which a newcomer meets it. They run with the build tag e2e; `make e2e`
// builds what they need.
//
// Each story has hosts of its own, so some run beside each other (inTurn): most of a
// story is waiting.
package e2e
