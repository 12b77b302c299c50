package minio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// failure turns an error of S3 into one that callers can act on.
func (b *bucket) failure(verb, key string, err error) error {
	at := fmt.Sprintf("%s s3://%s/%s", verb, b.name, key)
	say := func(code mlops.Code, format string, args ...any) error {
		return &mlops.Error{Code: code, Message: at + ": " + fmt.Sprintf(format, args...), Err: err}
	}
	var full *mlops.Error
	if errors.As(err, &full) { // see room
		return &mlops.Error{Code: full.Code, Message: at + ": " + full.Message}
	}
	res := miniogo.ToErrorResponse(err)
	if noRoom := b.unit.room(0); noRoom != nil && res.Code == "InternalError" {
		return &mlops.Error{Code: mlops.Unavailable, Message: at + ": " + mlops.MessageOf(noRoom), Err: err}
	}
	switch res.Code {
	case "NoSuchKey", "NoSuchVersion":
		return say(mlops.NotFound, "no such object")
	case "NoSuchBucket":
		return say(mlops.NotFound, "no such bucket")
	case "NoSuchUpload":
		return say(mlops.NotFound, "no such upload; it was completed, aborted or has expired")
	case "InvalidPart", "InvalidPartOrder", "EntityTooSmall":
		return say(mlops.Invalid, "the parts do not fit together (%s): every part but the last needs at least 5 MiB, and its ETag as the upload returned it", res.Code)
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return say(mlops.Denied, "access denied")
	case codeFull:
		return say(mlops.Unavailable, "the disk is full: free some space, or delete objects")
	case "InvalidArgument", "XMinioInvalidObjectName", "XMinioInvalidResourceName", "KeyTooLongError", "InvalidBucketName", "EntityTooLarge", "XMinioObjectExistsAsDirectory", "XMinioParentIsObject":
		return say(mlops.Invalid, "%s", res.Message)
	case "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "XMinioServerNotInitialized", "InternalError":
		return say(mlops.Unavailable, "the object store is busy or stopping: try again in a moment")
	}
	var netErr net.Error
	var urlErr *url.Error
	if errors.As(err, &urlErr) || errors.As(err, &netErr) {
		return say(mlops.Unavailable, "the object store does not answer: try again in a moment")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return say(mlops.Invalid, "the data ended early")
	}
	return fmt.Errorf("%s: %w", at, err)
}
