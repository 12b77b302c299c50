// Package uitest is a lab made of memory: ports with realistic data behind
// the real pages, for tests of the UI and for working on it. Nothing in the
// product imports it.
package uitest
