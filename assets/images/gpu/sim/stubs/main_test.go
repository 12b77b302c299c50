package main

import (
	"os"
	"strings"
	"testing"
)

func TestStubsAreCurrent(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../stubs.c")
	if err != nil || string(got) != string(want) {
		t.Errorf("sim/stubs.c is out of date (%v); run `go run ./sim/stubs` in assets/images/gpu", err)
	}
}

func TestStubsErrors(t *testing.T) {
	if _, err := stubs([]byte("nvmlReturn_t DECLDIR nvmlInit_v2(void);\n")); err == nil || !strings.Contains(err.Error(), "1 functions that could be read, expected some hundreds") {
		t.Errorf("another kind of header: %v", err)
	}
}
