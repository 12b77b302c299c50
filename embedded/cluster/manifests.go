package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// service is one of the appliance's own servers as pods see it.
type service struct {
	Name             string
	Port, TargetPort int
}

// render fills a packaged manifest in and returns its objects in file order.
func (c Config) render(name string) ([]*unstructured.Unstructured, error) {
	var unknown error
	t := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{
		"image": func(image string) (string, error) {
			ref := c.Image(image)
			if ref == "" {
				unknown = fmt.Errorf("the bundle holds no image %q", image)
			}
			return ref, unknown
		},
		"succ": func(n int) int { return n + 1 },
	})
	b, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if _, err := t.Parse(string(b)); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{
		"NodeAddress":         c.NodeAddress.String(),
		"ClusterDNS":          mlops.ClusterDNS,
		"NodeName":            c.NodeName,
		"Nameservers":         c.Resolver.Nameservers(),
		"HTTPPort":            c.HTTPPort,
		"HTTPSPort":           c.HTTPSPort,
		"ResourceMetricsPort": c.resourceMetricsPort,
		"LabPorts":            strings.Trim(strings.ReplaceAll(fmt.Sprint(c.LabPorts), " ", ", "), "[]"),
		"GPU":                 gpuValues(c.GPU),
		"Services": []service{
			{"s3", 9000, c.S3Port}, {"mlflow", 5000, c.RegistryPort}, {"prometheus", 8080, c.UIPort}, {"packages", mlops.PackagesPort, mlops.PackagesPort},
		},
	}); err != nil {
		return nil, fmt.Errorf("render manifest: %w", err)
	}
	objects, err := decodeManifest(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("decode manifest %s: %w", name, err)
	}
	return objects, nil
}
