// Package pushcmd is the command push, for the lab's own machine and for laptops.
package pushcmd

import (
	"cmp"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/push/client"
)

// Command is the command push. local is the lab of the machine itself, for when
// no other is named; nil where there is none.
func Command(local func(*cobra.Command) (client.Lab, error)) *cobra.Command {
	var o client.Options
	var server, token string
	cmd := &cobra.Command{
		Use:   "push [FOLDER | FILE.py | FILE.ipynb]",
		Short: "Train and serve a script of your own, as it is",
		Long: `Sends a folder to the lab, runs its training script as it is, registers the model
that it leaves, and serves it. What .gitignore names stays here.

The lab looks for what to run: an MLproject, [tool.benchtop] in pyproject.toml or in
the script, train.py, main.py, src/**/train*.py, a notebook. --entry or --command say
it instead. Pushing again trains the newer code. Ctrl-C ends only the looking on.

From another computer, --server is the address of the pages and --token the token of
a key; BENCHTOP_SERVER and BENCHTOP_TOKEN say the same.`,
		Example: `  benchtop push ./house-prices
  benchtop push train.py --project prices
  benchtop push --explain .
  benchtop push --server http://lab:8080 --command "python src/train.py --epochs 3" .`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path = "."
			if len(args) > 0 {
				o.Path = args[0]
			}
			lab, err := labOf(cmd, cmp.Or(server, os.Getenv("BENCHTOP_SERVER")), cmp.Or(token, os.Getenv("BENCHTOP_TOKEN")), local)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
			defer stop()
			return client.Push(ctx, lab, o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Project, "project", "", "name of the project (the folder's if not given)")
	f.StringVar(&o.Entry, "entry", "", "the script or notebook to run")
	f.StringVar(&o.Command, "command", "", "the command to run instead of a script")
	f.BoolVar(&o.Explain, "explain", false, "only print what would be run, why, and the manifests")
	f.BoolVar(&o.Detach, "detach", false, "end as soon as the lab has taken the code")
	f.StringVar(&server, "server", "", "address of another machine's lab (or BENCHTOP_SERVER)")
	f.StringVar(&token, "token", "", "token of a key, for --server (or BENCHTOP_TOKEN)")
	return cmd
}

// labOf is the lab to push to: another machine's, or the local one.
func labOf(cmd *cobra.Command, server, token string, local func(*cobra.Command) (client.Lab, error)) (client.Lab, error) {
	if server == "" {
		switch {
		case local == nil:
			return client.Lab{}, mlops.Errorf(mlops.Invalid, "which lab? Give the address of its pages as --server or in BENCHTOP_SERVER, such as http://192.168.1.20:8080")
		case cmd.Flags().Changed("token"):
			return client.Lab{}, mlops.Errorf(mlops.Invalid, "--token is for --server: this machine's lab is asked through its socket")
		}
		return local(cmd)
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return client.Lab{}, mlops.Errorf(mlops.Invalid, "--server %q is no address: expected one such as http://192.168.1.20:8080", server)
	}
	if token == "" {
		return client.Lab{}, mlops.Errorf(mlops.Invalid, "--server needs a token: make a key on the page Access, or with `benchtop keys create`, and give its token as --token or in BENCHTOP_TOKEN")
	}
	return client.Lab{Base: strings.TrimSuffix(server, "/") + "/api", Token: token, HTTP: &http.Client{}}, nil
}
