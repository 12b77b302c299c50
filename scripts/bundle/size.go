package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/klauspost/compress/zstd"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// The release's targets in bytes.
const (
	targetDisk     = 545_000_000 // 520 before push came, 530 before uv
	targetDownload = 325_000_000
)

// reportSize prints what each part of a benchtop binary weighs, on disk and as part of a compressed download. It
// returns an error when a target is missed, so that a release cannot grow unnoticed.
func reportSize(w io.Writer, file string, compress bool) error {
	b, err := images.Open(file)
	if err != nil {
		return err
	}
	defer b.Close()
	zr, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer zr.Close()
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	core := st.Size()
	for _, zf := range zr.File {
		off, err := zf.DataOffset()
		if err != nil {
			return err
		}
		core = min(core, off) // the program ends where the archive begins, less one entry's header
	}
	download := st.Size() - core // the bundle is compressed already
	coreDownload := int64(-1)
	if compress {
		if coreDownload, err = compressedSize(file, core); err != nil {
			return err
		}
		download += coreDownload
	}

	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "part\traw\ton disk\tdownload\t")
	dl := "(run with -compress)"
	if compress {
		dl = megabytes(coreDownload)
	}
	fmt.Fprintf(tw, "program\t%s\t%s\t%s\t\n", megabytes(core), megabytes(core), dl)
	raw := map[string]int64{}
	for _, img := range b.Images() {
		raw[images.ImageDir+img.Name+".tar"] = img.Unpacked
	}
	type weight struct{ raw, packed int64 }
	parts := map[string]weight{}
	for _, zf := range zr.File {
		size := raw[zf.Name]
		if size == 0 {
			size = int64(zf.UncompressedSize64)
		}
		// Folders of many small files count as one part.
		name := strings.Join(strings.SplitN(zf.Name, "/", 4)[:min(2, strings.Count(zf.Name, "/")+1)], "/")
		w := parts[name]
		parts[name] = weight{w.raw + size, w.packed + int64(zf.CompressedSize64)}
	}
	for _, name := range sortedKeys(parts) {
		packed := megabytes(parts[name].packed)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t\n", strings.TrimSuffix(name, ".tar"), megabytes(parts[name].raw), packed, packed)
	}
	fmt.Fprintf(tw, "total\t\t%s\t%s\t\n", megabytes(st.Size()), totalDownload(compress, download))
	fmt.Fprintf(tw, "target\t\t%s\t%s\t\n", megabytes(targetDisk), megabytes(targetDownload))
	if err := tw.Flush(); err != nil {
		return err
	}
	if st.Size() > targetDisk {
		return fmt.Errorf("%s is %s, the target is %s", file, megabytes(st.Size()), megabytes(targetDisk))
	}
	if compress && download > targetDownload {
		return fmt.Errorf("the download is %s, the target is %s", megabytes(download), megabytes(targetDownload))
	}
	return nil
}

func totalDownload(known bool, n int64) string {
	if !known {
		return ""
	}
	return megabytes(n)
}

// compressedSize says what the first n bytes of file weigh as zstd.
func compressedSize(file string, n int64) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	count := newDigester(io.Discard)
	zw, err := zstd.NewWriter(count, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(zw, io.LimitReader(f, n)); err != nil {
		return 0, err
	}
	if err := zw.Close(); err != nil {
		return 0, err
	}
	return count.n, nil
}
