// Package web holds the browser's side of the UI: one style sheet and one
// script, and another of each for pages with a terminal, bundled by `npm run
// build` into dist with their hashes in their names, and embedded from there.
package web

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// dist always holds .gitkeep, so that the package builds before npm ran.
//
//go:embed all:dist
var dist embed.FS

// ErrNotBuilt says that the bundle is missing from this binary.
var ErrNotBuilt = errors.New("the web assets are not in this binary: run `make` (or `npm ci && npm run build` in assets/web) and build again")

// Assets is a built bundle.
type Assets struct {
	Files  fs.FS  // the files by their hashed names and ".gz": they are packed by gzip
	Script string // hashed name of the script
	Style  string // hashed name of the style sheet
	Icon   string // hashed name of the icon, an SVG
	// Terminal and TerminalStyle are hashed names of what only pages with a
	// terminal load besides.
	Terminal, TerminalStyle string
	// Licenses is the hashed name of the bundled code's licences.
	Licenses string
}

// Load returns the embedded bundle, or ErrNotBuilt.
func Load() (*Assets, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open web assets: %w", err)
	}
	return Open(files)
}

// Build tells this bundle from others.
func (a *Assets) Build() string {
	return strings.Join([]string{a.Script, a.Style, a.Terminal, a.TerminalStyle}, " ")
}

// Open reads the manifest that the build wrote beside its output.
func Open(files fs.FS) (*Assets, error) {
	raw, err := fs.ReadFile(files, "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBuilt
	}
	if err != nil {
		return nil, fmt.Errorf("read web assets: %w", err)
	}
	var names map[string]string
	if err := json.Unmarshal(raw, &names); err != nil {
		return nil, fmt.Errorf("read web assets: manifest.json: %w", err)
	}
	a := &Assets{Files: files, Script: names["app.js"], Style: names["app.css"], Icon: names["icon.svg"], Licenses: names["licenses.txt"],
		Terminal: names["terminal.js"], TerminalStyle: names["terminal.css"]}
	for logical, name := range map[string]string{"app.js": a.Script, "app.css": a.Style, "icon.svg": a.Icon, "licenses.txt": a.Licenses, "terminal.js": a.Terminal, "terminal.css": a.TerminalStyle} {
		if name == "" {
			return nil, fmt.Errorf("read web assets: manifest.json has no %s: %w", logical, ErrNotBuilt)
		}
		if _, err := fs.Stat(files, name+".gz"); err != nil {
			return nil, fmt.Errorf("read web assets: %s: %w", name, errors.Join(ErrNotBuilt, err))
		}
	}
	return a, nil
}
