package imagestore

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// explain says what was wrong with an archive or the machine, in words that a
// user can act on. Errors that it does not know stay as they are.
func (s *Store) explain(err error) error {
	if mlops.CodeOf(err) != mlops.Internal {
		return err
	}
	invalid := func(message string) error { return &mlops.Error{Code: mlops.Invalid, Message: message, Err: err} }
	text := err.Error()
	var corrupt flate.CorruptInputError
	switch {
	// containerd's errors cross a socket, as text.
	case strings.Contains(text, "no space left on device"), strings.Contains(text, "disk quota exceeded"):
		return &mlops.Error{Code: mlops.InvalidState, Err: err, Message: fmt.Sprintf("the disk of %s is full: the image needs more than the %s that are free; remove images (`benchtop images remove`), delete old runs and artifacts, or move the data dir to a larger disk", s.Dir, s.free())}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("it ends too early: the archive was cut off; copy or write it again")
	case errors.As(err, &corrupt), errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader),
		errors.Is(err, zstd.ErrCRCMismatch), errors.Is(err, zstd.ErrMagicMismatch), isZstd(err):
		return invalid("it is damaged: it can't be uncompressed; copy or write the archive again")
	case errors.Is(err, tar.ErrHeader):
		return invalid("it is damaged: a part of the tar can't be read; copy or write the archive again")
	case strings.Contains(text, "unrecognized image format"), strings.Contains(text, "missing index.json"):
		return invalid("it is a tar, but no image: it has neither an index.json nor a manifest.json (what `docker export` writes is a file system, use `docker save`), or it was cut off")
	case strings.Contains(text, "wrong diff id"), strings.Contains(text, "unexpected commit digest"):
		return invalid("it is damaged: a layer is not what the image says it is; copy or write the archive again")
	case strings.Contains(text, "untar"), strings.Contains(text, "not found"), strings.Contains(text, "no target for symlink"),
		strings.Contains(text, "apply layer error"), strings.Contains(text, "failed to extract layer"), strings.Contains(text, "normalize image ref"):
		return invalid("it is damaged or incomplete (" + text + "): copy or write the archive again")
	}
	return err
}

func isZstd(err error) bool {
	for _, e := range []error{zstd.ErrBlockTooSmall, zstd.ErrReservedBlockType, zstd.ErrCompressedSizeTooBig, zstd.ErrWindowSizeExceeded, zstd.ErrUnexpectedBlockSize} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "corruption detected")
}

func (s *Store) free() string {
	var st unix.Statfs_t
	if err := unix.Statfs(s.Dir, &st); err != nil {
		return "bytes"
	}
	return fmt.Sprintf("%d MiB", st.Bavail*uint64(st.Bsize)>>20)
}
