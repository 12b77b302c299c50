package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/klauspost/compress/zstd"
)

// uvComponent is the image that has uv, at uvProgram.
const (
	uvComponent = "lab-build"
	uvProgram   = "usr/local/bin/uv"
)

var defaultIndex = regexp.MustCompile(`by\s+default:\s+<(https?://[^>\s]+)>`)

// packageIndex asks the uv of a built image which index of packages it uses where nothing else is said. It runs on this machine,
// as the image's interpreter does when bytecode is compiled.
func (b *Builder) packageIndex(e *Entry) (string, error) {
	layers, err := readLayers(e.image())
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "bundle-uv-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	own := layers[len(layers)-1]
	err = readBlob(e.image(), blobPath(own.Digest), func(blob io.Reader) error {
		zr, err := zstd.NewReader(blob)
		if err != nil {
			return err
		}
		defer zr.Close()
		return untar(zr, dir, func(name string) bool { return name == uvProgram })
	})
	if err != nil {
		return "", err
	}
	out, err := b.output([]string{"NO_COLOR=1"}, dir, filepath.Join(dir, uvProgram), "pip", "compile", "--help")
	if err != nil {
		return "", err
	}
	m := defaultIndex.FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("its help does not say \"by default: <address>\": see `uv pip compile --help`, and change how it is read here")
	}
	return m[1], nil
}
