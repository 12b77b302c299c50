// Package resourcemetrics serves metrics.k8s.io: what `kubectl top` prints and
// HorizontalPodAutoscalers read. The API is metrics-server's own package; what
// it tells comes from the kubelet at the moment somebody asks.
package resourcemetrics

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"time"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/api"
)

// Server is an API server for one group, reached through the cluster's own.
type Server struct {
	listener net.Listener
	generic  *server.GenericAPIServer
}

// New listens on a free port of address. kubeconfig is the administrator's:
// with it the server asks the cluster who a caller is and what they may do.
func New(address net.IP, kubeconfig string) (*Server, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	kube, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("build Kubernetes client: %w", err)
	}
	meta, err := metadata.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("build metadata client: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for resource metrics: %w", err)
	}
	generic, err := newGeneric(listener, kubeconfig)
	if err == nil {
		nodes := nodeLister{kube}
		err = api.Install(usage{newKubelets(kube), nodes}, podLister{client: meta}, nodes, generic, nil)
	}
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("build API server of resource metrics: %w", err)
	}
	return &Server{listener, generic}, nil
}

// Port is where the server listens.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if err := s.generic.PrepareRun().RunWithContext(ctx); err != nil {
		return fmt.Errorf("serve resource metrics: %w", err)
	}
	return nil
}

func newGeneric(listener net.Listener, kubeconfig string) (*server.GenericAPIServer, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	c := server.NewConfig(api.Codecs)
	c.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	c.LoopbackClientConfig = &rest.Config{} // for hooks that we have none of
	c.EnableProfiling, c.EnableMetrics, c.EnableIndex = false, false, false
	// Kubernetes' own schemas of these types: metrics-server's carry the names
	// of an older Kubernetes.
	c.OpenAPIConfig = server.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(api.Scheme))
	c.OpenAPIV3Config = server.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, openapinamer.NewDefinitionNamer(api.Scheme))

	secure := options.NewSecureServingOptions()
	secure.Listener = listener
	secure.ServerCert.GeneratedCert = certificate
	if err := secure.ApplyTo(&c.SecureServing); err != nil {
		return nil, err
	}
	authn := options.NewDelegatingAuthenticationOptions()
	authn.RemoteKubeConfigFile = kubeconfig
	if err := authn.ApplyTo(&c.Authentication, c.SecureServing, c.OpenAPIConfig); err != nil {
		return nil, err
	}
	authz := options.NewDelegatingAuthorizationOptions()
	authz.RemoteKubeConfigFile = kubeconfig
	if err := authz.ApplyTo(&c.Authorization); err != nil {
		return nil, err
	}
	return c.Complete(nil).New("resource-metrics", server.NewEmptyDelegate())
}

// selfSigned makes the server's certificate. The library would make one with
// an RSA key, which takes as long as all the rest.
func selfSigned() (dynamiccertificates.CertKeyContentProvider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"resource-metrics.benchtop.svc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	certPEM, err := cert.EncodeCertificates(parsed)
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return dynamiccertificates.NewStaticCertKeyContent("resource-metrics", certPEM, keyPEM)
}
