package minio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// CreateMultipart implements mlops.MultipartStore.
func (b *bucket) CreateMultipart(ctx context.Context, key string) (string, error) {
	c, err := b.s3()
	if err != nil {
		return "", err
	}
	if err := b.unit.room(0); err != nil {
		return "", b.failure("start upload of", key, err)
	}
	id, err := c.NewMultipartUpload(ctx, b.name, key, miniogo.PutObjectOptions{})
	if err != nil {
		return "", b.failure("start upload of", key, err)
	}
	return id, nil
}

// PutPart implements mlops.MultipartStore.
func (b *bucket) PutPart(ctx context.Context, key, uploadID string, n int, r io.Reader, size int64) (string, error) {
	c, err := b.s3()
	if err != nil {
		return "", err
	}
	at := fmt.Sprintf("put part %d of", n)
	if err := b.unit.room(size); err != nil {
		return "", b.failure(at, key, err)
	}
	// The way to MinIO is this process's loopback: signing every chunk would
	// cost more than moving it.
	part, err := c.PutObjectPart(ctx, b.name, key, uploadID, n, r, size, miniogo.PutObjectPartOptions{DisableContentSha256: true})
	if err != nil {
		return "", b.failure(at, key, err)
	}
	return part.ETag, nil
}

// PartURLs implements mlops.MultipartStore. It needs Config.PublicURL, because
// this process cannot know whether clients reach the port of S3.
func (b *bucket) PartURLs(ctx context.Context, key, uploadID string, n int, valid time.Duration) ([]string, error) {
	if b.unit.cfg.PublicURL == "" {
		return nil, nil
	}
	base, err := url.Parse(b.unit.cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("parse public URL: %w", err)
	}
	// This client believes that it talks to the public address. It only signs.
	signer, err := b.dial(base.Host, base.Scheme == "https", b.key)
	if err != nil {
		return nil, err
	}
	urls := make([]string, n)
	for i := range urls {
		u, err := signer.Presign(ctx, http.MethodPut, b.name, key, valid, url.Values{"uploadId": {uploadID}, "partNumber": {strconv.Itoa(i + 1)}})
		if err != nil {
			return nil, fmt.Errorf("presign part %d of %s: %w", i+1, key, err)
		}
		urls[i] = u.String()
	}
	return urls, nil
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
func (b *bucket) AbortMultipart(ctx context.Context, key, uploadID string) (int64, error) {
	c, err := b.s3()
	if err != nil {
		return 0, err
	}
	var size int64
	for marker, more := 0, true; more; {
		found, err := c.ListObjectParts(ctx, b.name, key, uploadID, marker, 1000)
		if err != nil {
			return 0, b.failure("abort upload of", key, err)
		}
		for _, p := range found.ObjectParts {
			size += p.Size
		}
		marker, more = found.NextPartNumberMarker, found.IsTruncated
	}
	if err := c.AbortMultipartUpload(ctx, b.name, key, uploadID); err != nil {
		return 0, b.failure("abort upload of", key, err)
	}
	return size, nil
}

// Uploads implements mlops.MultipartStore. MinIO lists the uploads of a bucket
// that began after its start. It lists older ones only by their whole key, and
// gives them up by itself after a day.
func (b *bucket) Uploads(ctx context.Context, prefix string) ([]mlops.Upload, error) {
	c, err := b.s3()
	if err != nil {
		return nil, err
	}
	// MinIO takes a prefix as a whole key, so list all; MinIO does not cut that
	// list.
	found, err := c.ListMultipartUploads(ctx, b.name, "", "", "", "", 1000)
	if err != nil {
		return nil, b.failure("list uploads below", prefix, err)
	}
	var out []mlops.Upload
	for _, u := range found.Uploads {
		if strings.HasPrefix(u.Key, prefix+"/") {
			out = append(out, mlops.Upload{Key: u.Key, ID: u.UploadID})
		}
	}
	return out, nil
}
