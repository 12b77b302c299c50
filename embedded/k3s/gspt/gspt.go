// Package gspt stands in for github.com/erikdubbelboer/gspt, which K3s calls
// to change the process title. The original needs cgo, and Benchtop, as one
// process with many parts, keeps the title that the user typed.
package gspt

// SetProcTitle does nothing.
func SetProcTitle(string) {}
