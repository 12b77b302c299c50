// Command benchtop-push pushes training scripts to a lab on another machine. It is
// the part of benchtop that laptops need: it runs on Linux, macOS and Windows,
// without root.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/cmd/internal/pushcmd"
)

// version is set by the build (-ldflags -X main.version=…).
var version = "devel"

func main() {
	cmd := pushcmd.Command(nil)
	// It is the whole program here.
	cmd.Use = "benchtop-" + cmd.Use
	cmd.Example = strings.ReplaceAll(cmd.Example, "benchtop push", "benchtop-push")
	cmd.SilenceUsage, cmd.SilenceErrors, cmd.Version = true, true, version
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", mlops.MessageOf(err))
		os.Exit(1)
	}
}
