package packages

import (
	"cmp"
	"context"
	"crypto/md5"  //nolint:gosec // old indexes name no better digest
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// stalled is how long upstream may send nothing of a file.
const stalled = time.Minute

// flight is a file on its way from upstream into the store. Those who want it read
// along from a file in the scratch folder; the last byte is held back until the
// digest is right, so that nobody takes a wrong file for a whole one.
type flight struct {
	begun chan struct{} // closed when size is known
	ended chan struct{} // closed when kept or err is set

	size int64 // bytes, -1 if upstream does not say
	kept Kept
	err  error

	file  *os.File
	mu    sync.Mutex
	n     int64         // bytes that may be read
	whole bool          // these are all, and they are right
	more  chan struct{} // closed when n has grown
	uses  int           // who reads from file
}

// fly starts to fetch a file, or joins those who wait for it. release must be
// called when it is read no more.
func (x *Index) fly(name string, l link) (f *flight, release func(), err error) {
	key := fileKey(name, l.sha256(), l.Name)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, nil, errStops
	}
	f = x.flights[key]
	if f == nil {
		file, err := os.CreateTemp(x.cfg.Scratch, "package-*")
		if err != nil {
			return nil, nil, fmt.Errorf("make a file for %s: %w", l.Name, err)
		}
		// It has no name from here on, so nothing is left of it whatever happens.
		if err := os.Remove(file.Name()); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("make a file for %s: %w", l.Name, err), file.Close())
		}
		f = &flight{begun: make(chan struct{}), ended: make(chan struct{}), more: make(chan struct{}), file: file, size: -1, uses: 1}
		x.flights[key] = f
		x.flying.Go(func() {
			f.kept, f.err = x.fetch(x.ctx, f, name, l)
			if f.err != nil {
				x.cfg.Log.Warn("file of the index upstream", "file", l.Name, "err", f.err)
			}
			x.mu.Lock()
			delete(x.flights, key)
			x.mu.Unlock()
			close(f.ended)
			f.leave()
		})
	}
	f.mu.Lock()
	f.uses++
	f.mu.Unlock()
	return f, f.leave, nil
}

// leave closes the file when nobody reads it any more.
func (f *flight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses--; f.uses == 0 {
		_ = f.file.Close() // it has no name
	}
}

// show lets readers see up to n bytes, and says whether these are all.
func (f *flight) show(n int64, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.whole = n, whole
	close(f.more)
	f.more = make(chan struct{})
}

// lost is why readers of a flight that has ended don't get the file, nil if they
// do: what came whole and could not be kept can be read all the same.
func (f *flight) lost() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.whole {
		return nil
	}
	return f.err
}

// writeTo sends the file as it comes. It returns an error when the file turns out
// not to be what it should.
func (f *flight) writeTo(ctx context.Context, w io.Writer) error {
	flush := func() {}
	if rw, ok := w.(http.ResponseWriter); ok {
		c := http.NewResponseController(rw)
		flush = func() { _ = c.Flush() } // what can't be flushed comes later
	}
	for at := int64(0); ; {
		f.mu.Lock()
		n, whole, more := f.n, f.whole, f.more
		f.mu.Unlock()
		if n > at {
			if _, err := io.Copy(w, io.NewSectionReader(f.file, at, n-at)); err != nil {
				return err
			}
			flush()
			at = n
			continue
		}
		if whole {
			return nil
		}
		select {
		case <-more:
		case <-f.ended: // it has failed, or more is closed too
			if err := f.lost(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fetch is a flight from its begin to its end.
func (x *Index) fetch(ctx context.Context, f *flight, name string, l link) (Kept, error) {
	at, err := x.upstream.file(l.URL)
	if err != nil {
		return Kept{}, x.explain(name, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// As it lies there: some servers would unpack an archive.
	resp, err := x.upstream.get(ctx, at, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return Kept{}, x.explain(name, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read from
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return Kept{}, mlops.Errorf(mlops.NotFound, "%s lists %s but does not have it", x.upstream.host(), l.Name)
	default:
		return Kept{}, mlops.Errorf(mlops.Unavailable, "%s answered %s when it was asked for %s: try again", at.Host, resp.Status, l.Name)
	}
	f.size = resp.ContentLength
	close(f.begun)
	stall := time.AfterFunc(stalled, func() {
		cancel(mlops.Errorf(mlops.Unavailable, "%s has sent nothing of %s for %s: try again", at.Host, l.Name, stalled))
	})
	defer stall.Stop()
	sum, check := sha256.New(), l.check()
	buf := make([]byte, 64<<10)
	var n int64
	for {
		got, err := resp.Body.Read(buf)
		if got > 0 {
			stall.Reset(stalled)
			if _, err := f.file.Write(buf[:got]); err != nil {
				return Kept{}, fmt.Errorf("write %s to the scratch folder: %w", l.Name, err)
			}
			_, _ = sum.Write(buf[:got]) // never fails
			if check != nil {
				_, _ = check.hash.Write(buf[:got])
			}
			n += int64(got)
			f.show(n-1, false)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if ctx.Err() != nil {
			return Kept{}, context.Cause(ctx)
		}
		if err != nil {
			return Kept{}, mlops.Errorf(mlops.Unavailable, "%s broke off on its way from %s: try again", l.Name, at.Host)
		}
	}
	k := Kept{Name: name, File: l.Name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)), From: x.upstream.host(), RequiresPython: l.RequiresPython, Uploaded: l.Uploaded, Yanked: l.Yanked.Is, YankedWhy: l.Yanked.Why}
	k.Version, _, _ = fileOf(name, l.Name)
	if check != nil && hex.EncodeToString(check.hash.Sum(nil)) != check.want {
		return Kept{}, mlops.Errorf(mlops.Unavailable, "%s, as %s has sent it, is not what the index upstream lists (%s %x, expected %s): nothing of it is kept", l.Name, at.Host, check.name, check.hash.Sum(nil), check.want)
	}
	var metadata []byte
	var a about
	if check == nil { // nothing else says that it is whole
		if metadata, a, err = inspect(f.file, n, l.Name); err != nil {
			return Kept{}, err
		}
	}
	f.show(n, true)
	if check != nil && strings.HasSuffix(l.Name, wheelEnding) {
		if metadata, a, err = inspectWheel(f.file, n, l.Name, false); err != nil {
			x.cfg.Log.Warn("a file without metadata", "file", l.Name, "err", err)
		}
	}
	k.RequiresPython = cmp.Or(k.RequiresPython, a.requiresPython)
	return x.keep(ctx, k, f.file, metadata)
}

// check compares a file with the best digest that upstream names.
type check struct {
	name, want string
	hash       hash.Hash
}

// check returns nil if upstream names no digest that is known here.
func (l link) check() *check {
	for _, c := range []check{{"sha256", "", sha256.New()}, {"sha512", "", sha512.New()}, {"sha384", "", sha512.New384()}, {"sha224", "", sha256.New224()}, {"sha1", "", sha1.New()}, {"md5", "", md5.New()}} {
		if c.want = l.Hashes[c.name]; c.want != "" {
			return &c
		}
	}
	return nil
}
