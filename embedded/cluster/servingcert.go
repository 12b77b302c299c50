package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/rancher/dynamiclistener/factory"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/benchtop-lab/benchtop/embedded/lan"
)

// followCertNames keeps the certificate valid for the machine's addresses
// while they change, until ctx ends.
func (c *Client) followCertNames(ctx context.Context, log *slog.Logger) {
	failed := func(err error) {
		log.Error("the Kubernetes API's certificate may lack new addresses until the next start", "err", err)
	}
	changes, err := lan.Watch(ctx, c.cfg.NodeAddress, failed)
	if err != nil {
		failed(err)
		return
	}
	for {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
		if err := c.certifyAll(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// certifyAll certifies every name and address of the machine. On a first start
// an address may change before K3s has made its Secret; certifyAll waits for
// it.
func (c *Client) certifyAll(ctx context.Context) error {
	for {
		names, err := c.cfg.CertNames()
		if err == nil {
			err = c.certify(ctx, names)
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		if !wait(ctx, secretPause) {
			return ctx.Err()
		}
	}
}

// secretPause is the pause between two looks for K3s' Secret.
const secretPause = time.Second

// certify makes the API server's certificate valid for names too. K3s gives its
// certificate new names from its own flags only; it filters what clients ask
// for, so that nobody can stuff it. But it takes over what another server of
// the cluster has put into the Secret that they share. certify puts the names
// there.
func (c *Client) certify(ctx context.Context, names []string) error {
	ca, key, err := factory.LoadCertsChain(filepath.Join(c.cfg.TLSDir, "server-ca.crt"), filepath.Join(c.cfg.TLSDir, "server-ca.key"))
	if err != nil {
		return fmt.Errorf("load the server's certificate authority: %w", err)
	}
	signer := &factory.TLS{CACert: ca, CAKey: key, CN: "k3s", Organization: []string{"k3s"}}
	secrets := c.kube.CoreV1().Secrets(metav1.NamespaceSystem)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		s, err := secrets.Get(ctx, "k3s-serving", metav1.GetOptions{})
		if err != nil {
			return err
		}
		s, changed, err := signer.AddCN(s, names...)
		if err != nil || !changed {
			return err
		}
		_, err = secrets.Update(ctx, s, metav1.UpdateOptions{FieldManager: fieldManager})
		return err
	})
	if err != nil {
		return fmt.Errorf("add %s to the API server's certificate: %w", strings.Join(names, ", "), err)
	}
	return nil
}
