// Command testhost makes private hosts by hand, to try a build on a clean
// machine. See the package testhost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

const usage = `Usage (as root):
  testhost start [flags] NAME        make a private host; flags: testhost start -h
  testhost exec NAME COMMAND...      run a command inside
  testhost net NAME COMMAND...       run a command of this machine in its network
  testhost lan NAME COMMAND...       run a command of this machine on its LAN
  testhost address NAME ADDR/BITS    give it another address
  testhost unplug|plug NAME          pull the network cable, put it back
  testhost info NAME                 print its address, folder and init's pid
  testhost stop NAME                 end it and remove what it left
`

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testhost:", err)
	}
	os.Exit(code)
}

func folder(name string) string { return filepath.Join(os.TempDir(), "benchtop-testhost-"+name) }

func run(args []string) (int, error) {
	if len(args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return 2, nil
	}
	if args[0] == "start" {
		return start(args[1:])
	}
	h, err := testhost.Attach(folder(args[1]))
	if err != nil && (args[0] != "stop" || !errors.Is(err, testhost.ErrGone)) {
		return 1, err
	}
	rest := args[2:]
	switch args[0] {
	case "exec":
		return execute(h.Command, rest)
	case "net":
		return execute(h.InNetwork, rest)
	case "lan":
		return execute(h.OnLAN, rest)
	case "address":
		p, err := netip.ParsePrefix(strings.Join(rest, " "))
		if err != nil {
			return 2, fmt.Errorf("expected an address such as 192.168.78.20/24: %w", err)
		}
		return done(h.SetAddress(p))
	case "unplug":
		return done(h.Unplug())
	case "plug":
		return done(h.Plug())
	case "info":
		fmt.Printf("address %s\nfolder  %s\npid     %d\n", h.Address(), h.Dir(), h.PID())
		return 0, nil
	case "stop":
		return done(h.Close())
	}
	fmt.Fprint(os.Stderr, usage)
	return 2, fmt.Errorf("unknown command %q", args[0])
}

func done(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func start(args []string) (int, error) {
	var o testhost.Options
	var binds, packages, drop list
	var address, small string
	f := flag.NewFlagSet("start", flag.ContinueOnError)
	f.StringVar(&o.Root, "root", "", "folder of a root file system, / for this machine's; default a minimal Debian")
	f.BoolVar(&o.NoDefaultRoute, "no-default-route", false, "leave out the default route")
	f.StringVar(&address, "address", "192.168.77.20/24", "its address on its LAN")
	f.StringVar(&small, "small-disk", "", "mount a small disk, PATH=MEGABYTES")
	f.Var(&binds, "bind", "show a file or folder, SOURCE:TARGET[:ro]; repeat")
	f.Var(&packages, "package", "add a Debian package; repeat")
	f.Var(&drop, "drop", "drop a capability, such as CAP_SYS_RESOURCE; repeat")
	if err := f.Parse(args); err != nil {
		return 2, nil
	}
	if f.NArg() != 1 {
		return 2, errors.New("start: expected one name after the flags")
	}
	var err error
	if o.Address, err = netip.ParsePrefix(address); err != nil {
		return 2, fmt.Errorf("-address: %w", err)
	}
	for _, b := range binds {
		p := strings.Split(b, ":")
		if len(p) < 2 || len(p) > 3 || len(p) == 3 && p[2] != "ro" {
			return 2, fmt.Errorf("-bind %s: expected SOURCE:TARGET or SOURCE:TARGET:ro", b)
		}
		source, err := filepath.Abs(p[0])
		if err != nil {
			return 2, fmt.Errorf("-bind %s: %w", b, err)
		}
		o.Binds = append(o.Binds, testhost.Bind{Source: source, Target: p[1], ReadOnly: len(p) == 3})
	}
	if small != "" {
		path, size, _ := strings.Cut(small, "=")
		var mb int64
		if _, err := fmt.Sscan(size, &mb); err != nil || !filepath.IsAbs(path) || mb < 4 {
			return 2, fmt.Errorf("-small-disk %s: expected PATH=MEGABYTES, for example /var/lib/benchtop=900", small)
		}
		o.SmallDisk = testhost.SmallDisk{Path: path, Size: mb << 20}
	}
	o.Name, o.Packages, o.DropCapabilities, o.Detach = f.Arg(0), packages, drop, true
	o.Dir = folder(o.Name)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return 1, fmt.Errorf("start %s: %w (if it is left over: testhost stop %s)", o.Name, err, o.Name)
	}
	h, err := testhost.New(o)
	if err != nil {
		return 1, errors.Join(err, os.RemoveAll(o.Dir))
	}
	fmt.Printf("address %s\nfolder  %s\npid     %d\n", h.Address(), h.Dir(), h.PID())
	return 0, nil
}

func execute(command func(context.Context, string, ...string) *exec.Cmd, args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("expected a command after the name")
	}
	cmd := command(context.Background(), args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if t := os.Getenv("TERM"); t != "" {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "TERM="+t)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return done(err)
}
