package simulated

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

// TestLayout compares the layout of the state file with that of the C side, field by field.
func TestLayout(t *testing.T) {
	var program, want strings.Builder
	program.WriteString("#include <stdio.h>\n#include <stddef.h>\n#include \"state.h\"\nint main(void)\n{\n")
	program.WriteString(`	printf("%s %d %s %.0f\n", SIM_MAGIC, SIM_LAYOUT, SIM_DRIVER, SIM_THERMAL_SECONDS);` + "\n")
	fmt.Fprintf(&want, "%s %d %s %.0f\n", magic, layout, Version, thermalTime.Seconds())
	for _, s := range []struct {
		c  string
		at any
	}{
		{"sim_profile", stateProfile{}}, {"sim_gpu", stateGPU{}}, {"sim_load", stateLoad{}},
		{"sim_compute", stateCompute{}}, {"sim_instance", stateInstance{}}, {"sim_mig", stateMIG{}},
	} {
		typ := reflect.TypeOf(s.at)
		offset := 0
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := cName(f.Name)
			if name == "capability" {
				name = "capability_major" // two fields there
			}
			fmt.Fprintf(&program, "\tprintf(\"%s.%s %%zu\\n\", offsetof(struct %s, %s));\n", s.c, name, s.c, name)
			fmt.Fprintf(&want, "%s.%s %d\n", s.c, name, offset)
			offset += int(f.Type.Size())
		}
		fmt.Fprintf(&program, "\tprintf(\"%s %%zu\\n\", sizeof(struct %s));\n", s.c, s.c)
		fmt.Fprintf(&want, "%s %d\n", s.c, offset)
	}
	program.WriteString(`	printf("%zu %zu %zu %zu\n", offsetof(struct sim_state, seq), offsetof(struct sim_state, mig_seq), offsetof(struct sim_state, mig), sizeof(struct sim_state));` + "\n\treturn 0;\n}\n")
	fmt.Fprintf(&want, "%d %d %d %d\n", seqOffset, migSeqOffset, migOffset, fileSize)

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "layout.c"), []byte(program.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	include, err := filepath.Abs(filepath.Join(module, "sim"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command(dir, nil, "gcc", "-Wall", "-Werror", "-I", include, "-o", "layout", "layout.c"); err != nil {
		t.Fatal(err)
	}
	got, err := command(dir, nil, filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(want.String(), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("state.h and state.go differ: C says %q, Go says %q", g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}

// cName is the C field of a Go field: MemoryClockIdle is memory_clock_idle.
func cName(name string) string {
	known := map[string]string{
		"PCIDevice": "pci_device", "PCISubsystem": "pci_subsystem", "PCIeGeneration": "pcie_generation", "PCIeWidth": "pcie_width", "BAR1MiB": "bar1_mib",
		"SMClock": "sm_clock", "SMClockIdle": "sm_clock_idle", "MemoryMiB": "memory_mib", "ReservedMiB": "reserved_mib", "UsedMiB": "used_mib",
		"ECCUncorrected": "ecc_uncorrected", "XIDs": "xids",
	}
	if c := known[name]; c != "" {
		return c
	}
	if strings.ToUpper(name) == name {
		return strings.ToLower(name)
	}
	var out strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
