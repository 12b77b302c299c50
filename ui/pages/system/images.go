package system

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// systemImages shows the images that pods can start from.
func (s *section) systemImages(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	var v view.SystemImages
	images, err := s.Cluster.Images(ctx)
	v.Problem = s.Problem("the images", err)
	var total int64
	for _, img := range images {
		total += img.Bytes
		v.Rows = append(v.Rows, view.ImageRow{Reference: img.Reference, Source: string(img.Source), Size: view.Bytes(float64(img.Bytes)),
			Digest: fmt.Sprintf("%.12s", strings.TrimPrefix(img.Digest, "sha256:")), Pods: len(img.Pods)})
	}
	v.Shown = view.Plural(len(images), "image", "images") + ", " + view.Bytes(float64(total)) + " on disk"
	return &page.Page{Title: "Images", Nav: "system", Body: view.SystemImagesPage(v), Parts: []page.Part{{Name: "rows", Body: view.ImageRows(v)}}}, nil
}
