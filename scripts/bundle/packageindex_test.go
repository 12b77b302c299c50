package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPackageIndex has a script in the place of uv.
func TestPackageIndex(t *testing.T) {
	recipe := func(help string) string {
		dir := imageRecipes(t, map[string]string{uvComponent: `"steps": [{"files": {"copy": {"` + uvProgram + `": "uv.sh"}}}]`, "lower": lower})
		overwrite(t, filepath.Join(dir, uvComponent, "uv.sh"), "#!/bin/sh\n[ \"$*\" = 'pip compile --help' ] && echo '"+help+"'\n")
		return dir
	}
	b := testBuilder(t)
	recipes, err := loadRecipes(recipe("  --default-index <I>  The default (by\n    default: <https://packages.example/simple>) [env: X]"))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	// A build of other components keeps what an earlier one has found out.
	for _, only := range [][]string{nil, {"lower"}} {
		if err := b.buildBundle(recipes, out, only); err != nil {
			t.Fatal(err)
		}
		if idx, err := readIndex(out); err != nil || idx.PackageIndex != "https://packages.example/simple" {
			t.Errorf("with only %v the index names %q (%v)", only, idx.PackageIndex, err)
		}
	}
	if recipes, err = loadRecipes(recipe("no index")); err != nil {
		t.Fatal(err)
	}
	if err := b.buildBundle(recipes, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), `ask the uv in lab-build for its package index: its help does not say "by default: <address>"`) {
		t.Errorf("a uv that says nothing: error %v", err)
	}
}
