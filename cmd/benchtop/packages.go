package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func packagesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "packages",
		Short: "List, add and remove Python packages of the lab's index",
		Long: `List the Python packages that the lab's index keeps, add some, remove them.

Environments of pushed code are built from this index. It asks the index that pip
and uv of this machine ask (or packages.index_url) and keeps each file that was
asked for, so what was built once is built again without the internet. What it
does not have then is added from wheels, source archives, or a lock.`,
		Example: "  sudo benchtop packages add ./wheels\n  sudo benchtop packages add requirements.txt\n  sudo benchtop packages remove xgboost==3.0.0",
	}
	addList(cmd, "List the files that the index keeps", (*appliance.Control).Packages, printPackages)
	cmd.AddCommand(packagesAddCommand(), packagesRemoveCommand())
	return cmd
}

func printPackages(w io.Writer, all []appliance.Package) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "PACKAGE\tVERSION\tFILE\tSIZE\tFROM\tADDED")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Version, p.File, mebibytes(p.Bytes), p.From, p.AddedAt.Local().Format(time.DateTime))
	}
	return t.Flush()
}

func packagesAddCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "add PATH...",
		Short: "Add wheels, source archives, folders of them, or what a lock names",
		Long: `Add wheels, source archives, and folders of them with all that is below. Of a
requirements.txt or uv.lock each pin is fetched through the index upstream: of the
version's files the wheel that pip would choose for Python 3.11 on Linux and this
machine's processor, else the source archive. Digests in the lock must be the
file's. Conditions (";") are not worked out: a pin that has one, and no file for
the lab, is skipped, and so is one of uv.lock, which is for every machine. What
source archives need to be built is in no lock: name it in one too.`,
		Example: "  sudo benchtop packages add ./wheels mine-1.0-py3-none-any.whl\n  sudo benchtop packages add requirements.txt",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			for _, arg := range args {
				if err := addPackages(cmd.Context(), control, arg, cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// addPackages adds a file, what is below a folder, or what a lock names.
func addPackages(ctx context.Context, control *appliance.Control, path string, out io.Writer) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return unreadable(err)
	case !info.IsDir() && !appliance.IsPackage(path):
		return addLock(ctx, control, path, out)
	case !info.IsDir():
		return addPackage(ctx, control, path, out)
	}
	added := 0
	err = filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(err)
		}
		if e.IsDir() || !appliance.IsPackage(file) {
			return nil
		}
		added++
		return addPackage(ctx, control, file, out)
	})
	if err == nil && added == 0 {
		err = mlops.Errorf(mlops.NotFound, "%s holds no wheels and no source archives: expected names such as demo-1.0-py3-none-any.whl or demo-1.0.tar.gz", path)
	}
	return err
}

func unreadable(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return mlops.Errorf(mlops.NotFound, "can't read %s: %v", pe.Path, pe.Err)
	}
	return err
}

func addPackage(ctx context.Context, control *appliance.Control, path string, out io.Writer) error {
	in, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	p, err := control.AddPackage(ctx, filepath.Base(path), in)
	_ = in.Close() // it was only read from
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "added %s %s (%s, %s)\n", p.Name, p.Version, p.File, mebibytes(p.Bytes))
	return nil
}

// addLock fetches what a lock names. A pin that can't be had does not keep the
// others from being fetched.
func addLock(ctx context.Context, control *appliance.Control, path string, out io.Writer) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return unreadable(err)
	}
	pins, err := appliance.PackagePins(path, text)
	if err != nil {
		return err
	}
	failed := 0
	for _, pin := range pins {
		f, err := control.FetchPackage(ctx, pin)
		code := mlops.CodeOf(err)
		switch {
		case ctx.Err() != nil, err != nil && !slices.Contains([]mlops.Code{mlops.NotFound, mlops.Invalid, mlops.Unavailable}, code):
			return err
		case err != nil:
			failed++
			fmt.Fprintf(out, "missing %s %s: %s\n", pin.Name, pin.Version, mlops.MessageOf(err))
		case f.Kept == nil:
			fmt.Fprintf(out, "skipped %s %s: %s\n", pin.Name, pin.Version, f.Skipped)
		case f.Already:
			fmt.Fprintf(out, "has %s %s (%s)\n", f.Kept.Name, f.Kept.Version, f.Kept.File)
		default:
			fmt.Fprintf(out, "added %s %s (%s, %s)\n", f.Kept.Name, f.Kept.Version, f.Kept.File, mebibytes(f.Kept.Bytes))
		}
	}
	if failed > 0 {
		return mlops.Errorf(mlops.NotFound, "%d of the %d packages that %s names could not be had: the lines above say why", failed, len(pins), path)
	}
	return nil
}

func packagesRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME[==VERSION]...",
		Short: "Remove packages from the index; what upstream has comes back when it is asked for",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			for _, arg := range args {
				gone, err := control.RemovePackage(cmd.Context(), arg)
				if err != nil {
					return err
				}
				for _, p := range gone {
					fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", p.File)
				}
			}
			return nil
		},
	}
}
