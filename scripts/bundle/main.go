// Bundle builds what travels inside the benchtop binary: OCI images and the programs that K3s executes. It needs no
// Docker and no container registry. See assets/images/DESIGN.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

const usage = `usage: go run ./scripts/bundle COMMAND

  build [-arch amd64] [-only name,…] [-fresh] [-o dist/bundle]
                                                   make what is missing and lay it out
  append -o OUT [-bundle dist/bundle] PROGRAM      write PROGRAM with the bundle appended to OUT
  size [-compress] FILE                            say what each part of FILE weighs
  lock [-arch amd64] [name …]                      move lock files to the newest versions (needs the network)
  components                                       rewrite assets/images/COMPONENTS.md

Run it from the repository's root. Results are kept in $BENCHTOP_CACHE (default: the user's cache directory).
`

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("no command\n%s", usage)
	}
	cmd, args := args[0], args[1:]
	fs := flag.NewFlagSet(cmd, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage) }
	switch cmd {
	case "build":
		return cmdBuild(fs, args, stderr)
	case "append":
		return cmdAppend(fs, args)
	case "size":
		return cmdSize(fs, args, stdout)
	case "lock":
		return cmdLock(fs, args, stderr)
	case "components":
		return cmdComponents(fs, args)
	}
	return fmt.Errorf("unknown command %q\n%s", cmd, usage)
}

func open(log io.Writer) (*Builder, []*Recipe, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	dir, err := defaultCacheDir()
	if err != nil {
		return nil, nil, err
	}
	recipes, err := loadRecipes("assets/images")
	return newBuilder(root, dir, log), recipes, err
}

func cmdBuild(fs *flag.FlagSet, args []string, log io.Writer) error {
	only := fs.String("only", "", "")
	out := fs.String("o", "dist/bundle", "")
	fresh := fs.Bool("fresh", false, "")
	arch := fs.String("arch", runtime.GOARCH, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, recipes, err := open(log)
	if err != nil {
		return err
	}
	b.Fresh, b.Arch = *fresh, *arch
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	return b.buildBundle(recipes, *out, names)
}

func cmdAppend(fs *flag.FlagSet, args []string) error {
	out := fs.String("o", "", "")
	dir := fs.String("bundle", "dist/bundle", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *out == "" || fs.NArg() != 1 {
		return fmt.Errorf("append: expected -o OUT and one program\n%s", usage)
	}
	_, recipes, err := open(io.Discard)
	if err != nil {
		return err
	}
	return appendBundle(fs.Arg(0), *dir, *out, recipes)
}

func cmdSize(fs *flag.FlagSet, args []string, stdout io.Writer) error {
	compress := fs.Bool("compress", false, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("size: expected one file\n%s", usage)
	}
	return reportSize(stdout, fs.Arg(0), *compress)
}

func cmdLock(fs *flag.FlagSet, args []string, log io.Writer) error {
	arch := fs.String("arch", runtime.GOARCH, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, recipes, err := open(log)
	if err != nil {
		return err
	}
	b.Arch = *arch
	return b.lock(recipes, fs.Args())
}

func cmdComponents(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	b, recipes, err := open(io.Discard)
	if err != nil {
		return err
	}
	return b.writeComponents(recipes, componentsFile)
}
