package appliance

import (
	"context"
	"net/http"
	"net/url"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// KubeconfigRoles are the roles that a kubeconfig may carry.
func KubeconfigRoles() []string { return cluster.KubeconfigRoles }

type kubeconfigAnswer struct {
	Kubeconfig string `json:"kubeconfig"`
}

// kubeconfig answers with a kubeconfig for the query's role and server.
func (c *control) kubeconfig(w http.ResponseWriter, r *http.Request) {
	client, err := connected(c.a.cluster)
	if err != nil {
		c.fail(w, err)
		return
	}
	server := r.URL.Query().Get("server")
	if server == "" {
		server = hostAddress(c.a.cfg.NodeAddress)
	}
	b, err := client.Kubeconfig(r.Context(), r.URL.Query().Get("user"), r.URL.Query().Get("role"), server)
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, kubeconfigAnswer{string(b)})
}

func (c *control) kubeconfigs(w http.ResponseWriter, r *http.Request) {
	var users []mlops.KubeconfigUser
	client, err := connected(c.a.cluster)
	if err == nil {
		users, err = client.KubeconfigUsers(r.Context())
	}
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, users)
}

func (c *control) revokeKubeconfig(w http.ResponseWriter, r *http.Request) {
	client, err := connected(c.a.cluster)
	if err == nil {
		err = client.RevokeKubeconfig(r.Context(), r.PathValue("user"))
	}
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

// Kubeconfig returns a kubeconfig for another machine, see cluster.Client. An
// empty server means this machine's first address on its network.
func (c *Control) Kubeconfig(ctx context.Context, user, role, server string) (string, error) {
	var out kubeconfigAnswer
	q := url.Values{"user": {user}, "role": {role}, "server": {server}}
	err := c.call(ctx, http.MethodPost, "/v1/kubeconfigs?"+q.Encode(), nil, &out)
	return out.Kubeconfig, err
}

// KubeconfigUsers lists those who were given a kubeconfig.
func (c *Control) KubeconfigUsers(ctx context.Context) ([]mlops.KubeconfigUser, error) {
	var out []mlops.KubeconfigUser
	err := c.call(ctx, http.MethodGet, "/v1/kubeconfigs", nil, &out)
	return out, err
}

// RevokeKubeconfig takes a user's rights away at once.
func (c *Control) RevokeKubeconfig(ctx context.Context, user string) error {
	return c.call(ctx, http.MethodDelete, "/v1/kubeconfigs/"+url.PathEscape(user), nil, &struct{}{})
}
