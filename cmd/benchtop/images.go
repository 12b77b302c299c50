package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func imagesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List, load and remove the images that pods start from",
		Long: `List the container images on this machine, load your own from archives, remove them.

An archive is a tar, plain or compressed with gzip or zstd, as docker save,
podman save, skopeo copy … oci-archive:FILE:NAME and docker buildx build -o type=oci
write it. Archives that are put into the folder images of the data dir are loaded by
themselves; a file beside each, NAME.loaded or NAME.error, says what became of it.`,
		Example: "  docker save myapp:1 | sudo benchtop images load -\n  sudo benchtop images load myapp.tar.gz\n  sudo benchtop images load --name myapp:1 build.tar",
	}
	addList(cmd, "List the images on this machine", (*appliance.Control).Images, printImages)
	cmd.AddCommand(imagesLoadCommand(), imagesRemoveCommand())
	return cmd
}

func printImages(w io.Writer, images []mlops.Image) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "IMAGE\tDIGEST\tSIZE\tSOURCE\tPODS")
	for _, img := range images {
		fmt.Fprintf(t, "%s\t%.19s\t%s\t%s\t%d\n", img.Reference, img.Digest, mebibytes(img.Bytes), img.Source, len(img.Pods))
	}
	return t.Flush()
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func imagesLoadCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "load FILE...",
		Short:   "Load images from archives (- is standard input)",
		Example: "  docker save myapp:1 | sudo benchtop images load -\n  sudo benchtop images load --name myapp:1 build.tar",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if name != "" && len(args) > 1 {
				return mlops.Errorf(mlops.Invalid, "--name names one image: load one FILE at a time with it")
			}
			for _, file := range args {
				in := io.NopCloser(cmd.InOrStdin())
				if file != "-" {
					if in, err = os.Open(file); err != nil {
						return mlops.Errorf(mlops.NotFound, "can't read %s", strings.TrimPrefix(err.Error(), "open "))
					}
				}
				images, err := control.LoadImages(cmd.Context(), in, name)
				_ = in.Close() // it was only read from
				if code := mlops.CodeOf(err); code == mlops.Invalid || code == mlops.InvalidState {
					return mlops.Errorf(code, "%s: %s", file, mlops.MessageOf(err))
				}
				if err != nil {
					return err
				}
				for _, img := range images {
					fmt.Fprintf(cmd.OutOrStdout(), "loaded %s (%s)\n", img.Reference, mebibytes(img.Bytes))
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the archive's image is called, such as myapp:1")
	return cmd
}

func imagesRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove IMAGE...",
		Short: "Remove images from this machine",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			for _, arg := range args {
				ref, err := control.RemoveImage(cmd.Context(), arg, force)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", ref)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also those that pods use; such a pod can't start again")
	return cmd
}
