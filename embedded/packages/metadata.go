package packages

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const octets = "application/octet-stream"

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (x *Index) put(ctx context.Context, key string, b []byte) error {
	if _, err := x.cfg.Store.Put(ctx, key, bytes.NewReader(b), int64(len(b)), octets); err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// about is what a distribution says of itself.
type about struct{ name, version, requiresPython string }

// parseAbout reads the head of core metadata, up to the description.
func parseAbout(b []byte) (a about) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, maxMetadata)
	for lines.Scan() && strings.TrimSpace(lines.Text()) != "" {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(key) {
		case "name":
			a.name = value
		case "version":
			a.version = value
		case "requires-python":
			a.requiresPython = value
		}
	}
	return a
}

// noDistribution says what is wrong with a file.
func noDistribution(name, kind, why string) error {
	return mlops.Errorf(mlops.Invalid, "%s is damaged, or no %s: %s", name, kind, why)
}

// inspect reads a whole wheel or source archive, and returns the metadata of a
// wheel, nil for an archive.
func inspect(file *os.File, size int64, name string) ([]byte, about, error) {
	if strings.HasSuffix(name, wheelEnding) {
		return inspectWheel(file, size, name, true)
	}
	a, err := inspectSdist(file, size, name)
	return nil, a, err
}

// inspectWheel returns a wheel's metadata; with all it reads every file in it, so
// that checksums are compared.
func inspectWheel(file *os.File, size int64, name string, all bool) ([]byte, about, error) {
	w, err := parseWheel(name)
	if err != nil {
		return nil, about{}, err
	}
	z, err := zip.NewReader(file, size)
	if err != nil {
		return nil, about{}, noDistribution(name, "wheel", "it can't be opened as a zip file")
	}
	var metadata []byte
	for _, f := range z.File {
		dir, base := path.Split(f.Name)
		info, is := strings.CutSuffix(strings.TrimSuffix(dir, "/"), ".dist-info")
		project, _, _ := strings.Cut(info, "-")
		ours := is && base == "METADATA" && Normalize(project) == w.project
		if !ours && !all {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, about{}, noDistribution(name, "wheel", "it can't be read at "+f.Name)
		}
		if ours {
			if metadata, err = io.ReadAll(io.LimitReader(r, maxMetadata+1)); err == nil && len(metadata) > maxMetadata {
				err = errors.New("too long")
			}
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r) // its checksum is compared at the end
		}
		_ = r.Close()
		if err != nil {
			return nil, about{}, noDistribution(name, "wheel", "it can't be read at "+f.Name)
		}
	}
	if metadata == nil {
		return nil, about{}, noDistribution(name, "wheel", "it has no METADATA in its .dist-info folder")
	}
	a := parseAbout(metadata)
	if Normalize(a.name) != w.project || !sameVersion(a.version, w.version) {
		return nil, about{}, mlops.Errorf(mlops.Invalid, "%s holds %s %s: a wheel's name says what it holds, so give it back its own", name, a.name, a.version)
	}
	return metadata, a, nil
}

// inspectSdist reads a source archive, which has a folder NAME-VERSION with
// PKG-INFO in it.
func inspectSdist(file *os.File, size int64, name string) (a about, err error) {
	const kind = "source archive"
	found := false
	see := func(entry string, r io.Reader) error {
		dir, base := path.Split(path.Clean(entry))
		if found || base != "PKG-INFO" || strings.Count(dir, "/") != 1 {
			return nil
		}
		b, err := io.ReadAll(io.LimitReader(r, maxMetadata))
		a, found = parseAbout(b), true
		return err
	}
	if strings.HasSuffix(name, ".zip") {
		err = eachZipped(file, size, see)
	} else {
		err = eachTarred(io.NewSectionReader(file, 0, size), name, see)
	}
	if err != nil {
		return a, noDistribution(name, kind, "it can't be unpacked")
	}
	if !found {
		return a, noDistribution(name, kind, "expected a folder with PKG-INFO in it")
	}
	if version, wheel, ok := fileOf(Normalize(a.name), name); !ok || wheel || !sameVersion(version, a.version) {
		return a, mlops.Errorf(mlops.Invalid, "%s holds %s %s: a source archive's name says what it holds, so give it back its own", name, a.name, a.version)
	}
	return a, nil
}

func eachZipped(file *os.File, size int64, see func(string, io.Reader) error) error {
	z, err := zip.NewReader(file, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return err
		}
		if err = see(f.Name, r); err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		_ = r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func eachTarred(file io.Reader, name string, see func(string, io.Reader) error) (err error) {
	in := file
	switch {
	case strings.HasSuffix(name, ".bz2"):
		in = bzip2.NewReader(file)
	default:
		in, err = gzip.NewReader(file)
	}
	if err != nil {
		return err
	}
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, in) // up to the checksum
			return err
		}
		if err != nil {
			return err
		}
		if err := see(h.Name, t); err != nil {
			return err
		}
	}
}

// metadata returns the metadata of a wheel: as it is kept, or from upstream.
func (x *Index) metadata(ctx context.Context, name, sha, file string) ([]byte, error) {
	none := mlops.Errorf(mlops.NotFound, "there is no metadata of %s", file)
	if !hexSHA256.MatchString(sha) {
		return nil, none
	}
	key := fileKey(name, sha, file) + metadataEnding
	r, _, err := x.cfg.Store.Get(ctx, key)
	if err == nil {
		defer func() { _ = r.Close() }() // it is only read from
		return io.ReadAll(r)
	}
	if mlops.CodeOf(err) != mlops.NotFound {
		return nil, err
	}
	p, err := x.seen(ctx, name)
	if err != nil || p == nil {
		return nil, orElse(err, none)
	}
	l, ok := p.file(file)
	if !ok || !l.Metadata.Is || l.sha256() != sha {
		return nil, none
	}
	at, err := x.upstream.file(l.URL)
	if err != nil {
		return nil, x.explain(name, err)
	}
	at.Path += metadataEnding
	if at.RawPath != "" {
		at.RawPath += metadataEnding
	}
	ctx, cancel := context.WithTimeout(ctx, askPage)
	defer cancel()
	resp, err := x.upstream.get(ctx, at, nil)
	if err != nil {
		return nil, x.explain(name, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read from
	if resp.StatusCode != http.StatusOK {
		return nil, mlops.Errorf(mlops.Unavailable, "%s answered %s when it was asked for the metadata of %s: try again", at.Host, resp.Status, file)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata+1))
	if err != nil || len(b) > maxMetadata {
		return nil, mlops.Errorf(mlops.Unavailable, "the metadata of %s broke off on its way from %s, or has more than %d MiB: try again", file, at.Host, maxMetadata>>20)
	}
	if want := strings.ToLower(l.Metadata.Hashes["sha256"]); want != "" && want != digestOf(b) {
		return nil, mlops.Errorf(mlops.Unavailable, "the metadata of %s that %s has sent is not that of its page (sha256 %s, expected %s)", file, at.Host, digestOf(b), want)
	}
	return b, x.put(ctx, key, b)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
