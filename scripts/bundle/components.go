package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

const componentsFile = "assets/images/COMPONENTS.md"

// writeComponents lists what the bundle ships, with versions, licences and sources, from recipes and lock files.
func (b *Builder) writeComponents(recipes []*Recipe, file string) error {
	data, err := b.componentTable(recipes)
	if err != nil {
		return err
	}
	return replaceFile(file, data)
}

func (b *Builder) componentTable(recipes []*Recipe) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("# Components of the bundle\n\nWritten by `go run ./scripts/bundle components` from the recipes and lock files beside this page.\n\n")
	out.WriteString("| component | version | ships as | licence | source |\n|---|---|---|---|---|\n")
	for _, r := range recipes {
		fmt.Fprintf(&out, "| %s | %s | %s `%s` | %s | %s |\n", r.Title, r.Version, r.Kind, r.Name, r.Licenses, r.Source)
	}
	for _, r := range recipes {
		if err := b.lockTables(&out, r); err != nil {
			return nil, fmt.Errorf("list components of %s: %w", r.Name, err)
		}
	}
	return out.Bytes(), nil
}

func (b *Builder) lockTables(out *bytes.Buffer, r *Recipe) error {
	for _, s := range r.Steps {
		switch {
		case s.Debian != nil:
			lock, err := readDebLock(debLockFile(r, b.Arch))
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "\n## Debian packages in %s\n\nTheir copyright files lie in the image under /usr/share/doc.\n\n| package | version | source |\n|---|---|---|\n", r.Name)
			for _, d := range lock.Debs {
				fmt.Fprintf(out, "| %s | %s | https://packages.debian.org/bookworm/%s |\n", d.Name, d.Version, d.Name)
			}
		case s.Wheels != nil:
			data, err := os.ReadFile(wheelLockFile(r, b.Arch))
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "\n## Python packages in %s\n\nTheir licence files lie beside them, in *.dist-info.\n\n| package | version | licence | source |\n|---|---|---|---|\n", r.Name)
			for _, line := range strings.Split(string(data), "\n") {
				spec, rest, ok := strings.Cut(line, " --hash=")
				if !ok {
					continue
				}
				name, version, _ := strings.Cut(spec, "==")
				_, license, _ := strings.Cut(rest, "  # ")
				fmt.Fprintf(out, "| %s | %s | %s | https://pypi.org/project/%s |\n", name, version, license, name)
			}
		}
	}
	return nil
}
