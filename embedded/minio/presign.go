package minio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// PresignGet implements mlops.Presigner.
func (b *bucket) PresignGet(ctx context.Context, key string, valid time.Duration) (string, error) {
	return b.presign(ctx, http.MethodGet, key, valid)
}

// PresignPut implements mlops.Presigner.
func (b *bucket) PresignPut(ctx context.Context, key string, valid time.Duration) (string, error) {
	return b.presign(ctx, http.MethodPut, key, valid)
}

// presign signs for the host by which pods reach S3. The signature covers it.
func (b *bucket) presign(ctx context.Context, method, key string, valid time.Duration) (string, error) {
	cfg := b.unit.cfg
	get := method == http.MethodGet
	made := func(have Bucket) bool { return have.Name == b.name && (get && have.Gives || !get && have.Takes) }
	if cfg.PodURL == "" || !slices.ContainsFunc(cfg.Buckets, made) {
		return "", mlops.Errorf(mlops.InvalidState, "s3://%s/%s: the object store is not configured to hand out addresses for %s here", b.name, key, method)
	}
	base, err := url.Parse(cfg.PodURL)
	if err != nil {
		return "", fmt.Errorf("parse URL for pods: %w", err)
	}
	// This client believes that it talks to the address of pods. It only signs.
	client, err := b.dial(base.Host, base.Scheme == "https", signer(b.name, cfg.RootPassword, get))
	if err != nil {
		return "", err
	}
	u, err := client.Presign(ctx, method, b.name, key, valid, nil)
	if err != nil {
		return "", fmt.Errorf("presign %s of s3://%s/%s: %w", method, b.name, key, err)
	}
	return u.String(), nil
}
