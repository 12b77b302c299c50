package gpus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

func (s *section) apiGPUs(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	g, err := s.GPUs.GPUs(ctx)
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, g, "  ")
}

const shareExample = `{"replicas": 4} or {"mig": ["3g.40gb", "2x2g.20gb"], "deletePods": true}; {} takes all sharing back`

// readShare reads a wish. No body at all is a mistake: it would take all sharing
// back.
func readShare(c *page.Call) (w mlops.GPUShare, err error) {
	if err = page.DecodeBody(c, &w, shareExample); errors.Is(err, io.EOF) {
		return w, mlops.Errorf(mlops.Invalid, "the body is empty: expected %s", shareExample)
	}
	if err == nil && w.Replicas < 0 {
		err = mlops.Errorf(mlops.Invalid, "replicas is %d: expected how many pods take turns on each GPU, 1 for none", w.Replicas)
	}
	if err == nil {
		w.MIG, err = mlops.ParseMIG(w.MIG)
	}
	return w, err
}

func (s *section) apiPlan(c *page.Call) (any, error) {
	w, err := readShare(c)
	if err != nil {
		return nil, err
	}
	return s.GPUs.PlanShare(c.Ctx, w)
}

func (s *section) apiShare(c *page.Call) (any, error) {
	w, err := readShare(c)
	if err != nil {
		return nil, err
	}
	g, err := s.GPUs.Share(c.Ctx, w)
	if err == nil {
		s.shared(c, w)
	}
	return g, err
}

func (s *section) shared(c echo.Context, w mlops.GPUShare) {
	s.Log().Info("sharing of GPUs changed", "replicas", w.Replicas, "mig", w.MIG, "delete_pods", w.DeletePods, "by", page.VisitorOf(c).Principal.Name)
}

// indexOf reads the GPU that an address names.
func indexOf(c echo.Context) (int, error) {
	n, err := strconv.Atoi(c.Param("index"))
	if err != nil || n < 0 {
		return 0, mlops.Errorf(mlops.NotFound, "There is no GPU %q: expected the index of one, from 0.", view.Clip(c.Param("index")))
	}
	return n, nil
}

func (s *section) apiRecover(c *page.Call) (any, error) {
	n, err := indexOf(c)
	if err != nil {
		return nil, err
	}
	g, err := s.GPUs.Recover(c.Ctx, n)
	if err == nil {
		s.Log().Info("a GPU works again", "gpu", n, "by", page.VisitorOf(c).Principal.Name)
	}
	return g, err
}

func (s *section) apiInject(c *page.Call) (any, error) {
	var in struct {
		GPU  *int   `json:"gpu"`
		Kind string `json:"kind"`
		XID  int    `json:"xid"`
	}
	const example = `{"gpu": 0, "kind": "xid", "xid": 79}`
	if err := page.DecodeBody(c, &in, example); errors.Is(err, io.EOF) {
		return nil, mlops.Errorf(mlops.Invalid, "the body is empty: expected %s", example)
	} else if err != nil {
		return nil, err
	}
	if in.GPU == nil {
		return nil, mlops.Errorf(mlops.Invalid, "which GPU? Expected its index, for example %s", example)
	}
	text := in.Kind
	if in.XID != 0 {
		text += "=" + strconv.Itoa(in.XID)
	}
	return s.faulted(c, c.Ctx, *in.GPU, text)
}

// faulted makes something happen to a simulated GPU.
func (s *section) faulted(c echo.Context, ctx context.Context, gpu int, text string) (mlops.GPUs, error) {
	f, err := mlops.ParseGPUFault(gpu, text)
	if err != nil {
		return mlops.GPUs{}, err
	}
	g, err := s.GPUs.Inject(ctx, f)
	if err == nil {
		s.Log().Info("a fault of a simulated GPU", "gpu", gpu, "kind", f.Kind, "xid", f.XID, "by", page.VisitorOf(c).Principal.Name)
	}
	return g, err
}

// sameParts reports whether two layouts have the same parts.
func sameParts(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
