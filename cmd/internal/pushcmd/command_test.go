package pushcmd

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/push/client"
)

func TestWhichLab(t *testing.T) {
	here := func(*cobra.Command) (client.Lab, error) { return client.Lab{Base: "here"}, nil }
	for _, c := range []struct {
		args                []string
		local               func(*cobra.Command) (client.Lab, error)
		server, token, want string
	}{
		{nil, here, "", "", "here"},
		{nil, here, "http://lab:8080/", "secret", "http://lab:8080/api"},
		{nil, nil, "https://lab", "secret", "https://lab/api"},
		{nil, nil, "", "", "which lab? Give the address"},
		{nil, here, "lab:8080", "secret", `--server "lab:8080" is no address: expected one such as http://192.168.1.20:8080`},
		{nil, here, "http://lab:8080", "", "--server needs a token: make a key on the page Access"},
		{[]string{"--token", "secret"}, here, "", "secret", "--token is for --server"},
	} {
		cmd := Command(c.local)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		lab, err := labOf(cmd, c.server, c.token, c.local)
		if got := lab.Base; err == nil && got != c.want || err != nil && !strings.Contains(mlops.MessageOf(err), c.want) {
			t.Errorf("%q, %q: %q, %v; want %q", c.server, c.token, got, err, c.want)
		}
	}
}
