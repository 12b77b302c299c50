//go:build e2e

package e2e

import (
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

func TestImagesTmp(t *testing.T) {
	s := begin(t, "images-tmp", testhost.Options{})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
	chapter(t, "load", s.imagesLoad)
	chapter(t, "remove", s.imagesRemove)
	chapter(t, "folder", s.imagesFolder)
	chapter(t, "missing", s.imagesMissing)
}
