package ui

import "time"

// SetBeat changes how often streams look after their readers, and returns
// what sets it back. No stream may be open.
func SetBeat(d time.Duration) (restore func()) {
	old := beatEvery
	beatEvery = d
	return func() { beatEvery = old }
}
