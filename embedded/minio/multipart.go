package minio

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	maxParts = 10000 // S3's limit
	// presignFor is how long a client may take for its upload.
	presignFor = 12 * time.Hour
)

// CreateMultipart implements mlops.MultipartStore. The URLs are for the
// public address, see Config.PublicURL.
func (b *bucket) CreateMultipart(ctx context.Context, key string, n int) (string, []string, error) {
	if n < 1 || n > maxParts {
		return "", nil, mlops.Errorf(mlops.Invalid, "multipart upload of %s: %d parts asked for, expected 1 to %d", key, n, maxParts)
	}
	c, err := b.s3()
	if err != nil {
		return "", nil, err
	}
	if err := b.unit.room(0); err != nil {
		return "", nil, b.failure("start upload of", key, err)
	}
	signer, err := b.signer()
	if err != nil {
		return "", nil, err
	}
	id, err := c.NewMultipartUpload(ctx, b.name, key, miniogo.PutObjectOptions{})
	if err != nil {
		return "", nil, b.failure("start upload of", key, err)
	}
	urls := make([]string, n)
	for i := range urls {
		u, err := signer.Presign(ctx, http.MethodPut, b.name, key, presignFor,
			url.Values{"uploadId": {id}, "partNumber": {strconv.Itoa(i + 1)}})
		if err != nil {
			return "", nil, fmt.Errorf("presign part %d of %s: %w", i+1, key, err)
		}
		urls[i] = u.String()
	}
	return id, urls, nil
}

// signer returns a client that believes it talks to the public address. It
// only signs.
func (b *bucket) signer() (*miniogo.Core, error) {
	base, err := b.unit.PublicURL()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("parse public URL %s: %w", base, err)
	}
	return b.dial(u.Host, u.Scheme == "https")
}

// CompleteMultipart implements mlops.MultipartStore.
func (b *bucket) CompleteMultipart(ctx context.Context, key, uploadID string, etags []string) error {
	c, err := b.s3()
	if err != nil {
		return err
	}
	parts := make([]miniogo.CompletePart, len(etags))
	for i, tag := range etags {
		parts[i] = miniogo.CompletePart{PartNumber: i + 1, ETag: strings.Trim(tag, `"`)}
	}
	if _, err := c.CompleteMultipartUpload(ctx, b.name, key, uploadID, parts, miniogo.PutObjectOptions{}); err != nil {
		return b.failure("complete upload of", key, err)
	}
	return nil
}

// AbortMultipart implements mlops.MultipartStore.
func (b *bucket) AbortMultipart(ctx context.Context, key, uploadID string) error {
	c, err := b.s3()
	if err != nil {
		return err
	}
	if err := c.AbortMultipartUpload(ctx, b.name, key, uploadID); err != nil {
		return b.failure("abort upload of", key, err)
	}
	return nil
}
