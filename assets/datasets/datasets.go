// Package datasets embeds the small real datasets that the sample projects, tests and labs use.
//
// Every dataset is one CSV file in scikit-learn's layout (README.md) plus its description in datasets.json.
package datasets

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

//go:embed *.csv datasets.json
var files embed.FS

// Info describes one embedded dataset: what the CSV file itself doesn't say.
type Info struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	SHA256   string   `json:"sha256"` // of the CSV file's bytes, lower-case hex
	Rows     int      `json:"rows"`
	Features []string `json:"features"` // in column order
	Classes  []string `json:"classes"`  // in the order of their index
	Source   string   `json:"source"`   // URL
	Licence  string   `json:"licence"`  // SPDX identifier
}

// index is parsed once, on first use: a program that never asks pays nothing.
var index = sync.OnceValues(func() ([]Info, error) {
	raw, err := files.ReadFile("datasets.json")
	if err != nil {
		return nil, fmt.Errorf("read dataset index: %w", err)
	}
	var infos []Info
	if err := json.Unmarshal(raw, &infos); err != nil {
		return nil, fmt.Errorf("parse dataset index: %w", err)
	}
	return infos, nil
})

// Names lists the embedded datasets; the default project's comes first.
func Names() []string {
	infos, err := index()
	if err != nil {
		// The index is compiled in and a test reads it: this cannot happen in a build that passed its tests.
		panic(err)
	}
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name
	}
	return names
}

// Describe returns a dataset's description, or an error that lists the names there are.
func Describe(name string) (Info, error) {
	infos, err := index()
	if err != nil {
		return Info{}, err
	}
	for _, info := range infos {
		if info.Name == name {
			return info, nil
		}
	}
	return Info{}, fmt.Errorf("no embedded dataset %q; there are: %s", name, strings.Join(Names(), ", "))
}

// Bytes returns a copy of a dataset's CSV file, or an error that lists the names there are.
func Bytes(name string) ([]byte, error) {
	if _, err := Describe(name); err != nil {
		return nil, err
	}
	raw, err := files.ReadFile(name + ".csv")
	if err != nil {
		return nil, fmt.Errorf("read dataset %s: %w", name, err)
	}
	return raw, nil
}

// Open returns a dataset's CSV file for reading and seeking (an S3 upload wants both), or an error that lists the
// names there are.
func Open(name string) (io.ReadSeeker, error) {
	raw, err := Bytes(name)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(raw), nil
}
