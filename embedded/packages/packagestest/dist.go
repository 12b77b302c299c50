// Package packagestest makes small Python packages, and an index that has them.
package packagestest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// Metadata is what a package says of itself; requires are lines such as
// "Requires-Dist: b>=1".
func Metadata(name, version string, lines ...string) string {
	return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + strings.Join(append(lines, ""), "\n") + "\nSome words.\n"
}

// Wheel is a wheel with one module, which has VERSION.
func Wheel(name, version string, lines ...string) []byte {
	module := strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(name))
	info := module + "-" + version + ".dist-info/"
	files := []struct{ name, text string }{
		{module + ".py", fmt.Sprintf("VERSION = %q\n", version)},
		{info + "METADATA", Metadata(name, version, lines...)},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	record := ""
	add := func(name, text string) {
		// As Python writes it: with its size ahead, so that it can be read as a stream.
		size := uint64(len(text))
		w, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(text)), CompressedSize64: size, UncompressedSize64: size})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	for _, f := range files {
		add(f.name, f.text)
		sum := sha256.Sum256([]byte(f.text))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.text))
	}
	add(info+"RECORD", record+info+"RECORD,,\n")
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// Sdist is a source archive.
func Sdist(name, version string, lines ...string) []byte {
	var out bytes.Buffer
	g := gzip.NewWriter(&out)
	t := tar.NewWriter(g)
	text := Metadata(name, version, lines...)
	err := t.WriteHeader(&tar.Header{Name: name + "-" + version + "/PKG-INFO", Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = t.Write([]byte(text))
	}
	if err == nil {
		err = t.Close()
	}
	if err == nil {
		err = g.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

// SHA256 is a digest in hex.
func SHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
