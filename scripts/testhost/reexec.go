package testhost

import (
	"fmt"
	"os"
	"runtime"
)

// The names under which the program runs itself again. Namespaces are joined
// per thread and a Go program has many, so these roles need a process of their
// own that has not started anything yet: they run from the package's init.
const (
	roleInit  = "benchtop-testhost-init"
	roleEnter = "benchtop-testhost-enter"
	roleExec  = "benchtop-testhost-exec"
)

func init() {
	var role func() (int, error)
	switch os.Args[0] {
	case roleInit:
		role = runInit
	case roleEnter:
		role = runEnter
	case roleExec:
		role = runExec
	default:
		return
	}
	runtime.LockOSThread()
	code, err := role()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
	}
	os.Exit(code)
}
