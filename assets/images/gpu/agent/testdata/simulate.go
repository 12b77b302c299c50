// Command simulate makes the root of a simulated driver for tests, and injects
// and clears faults and sets loads as its input says, line by line: "inject 0 xid
// 79", "clear 0", "load 0 50".
// It is run by `go run` from the repository's root: the tests' module can't
// import the package.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, gpus string) error {
	spec, err := simulated.Parse(gpus)
	if err != nil {
		return err
	}
	d, err := simulated.Open(dir, spec)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var verb string
		var gpu, xid int
		var kind string
		n, _ := fmt.Sscan(in.Text(), &verb, &gpu, &kind, &xid)
		var percent float64
		switch {
		case verb == "load" && n >= 2:
			if _, err = fmt.Sscan(kind, &percent); err == nil {
				err = d.SetLoad(gpu, simulated.Load{Utilization: percent / 100})
			}
		case verb == "inject" && n >= 3:
			err = d.Inject(gpu, simulated.Fault{Kind: kind, XID: xid})
		case verb == "clear" && n == 2:
			err = d.Clear(gpu)
		default:
			err = fmt.Errorf("%q: expected inject GPU KIND [XID], clear GPU or load GPU PERCENT", in.Text())
		}
		if err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}
