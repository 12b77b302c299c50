package gpus

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// faultTexts say what the kinds of faults are.
var faultTexts = map[string]string{
	"xid": "The driver reports an error (XID)", "hot": "It gets too hot", "ecc": "Its memory has an error that cannot be corrected (ECC)",
	"mismatch": "Driver and library do not match, as after an upgrade; of all GPUs", "no-uvm": "The module nvidia-uvm is not loaded; of all GPUs", "none": "Nothing: end what was made to fail",
}

// faultsView shows what was made to fail, with the form as it was sent.
func faultsView(c echo.Context, g mlops.GPUs, sent view.GPUFaults, may bool) view.GPUFaults {
	v := view.GPUFaults{May: may, XID: "79", Error: sent.Error, CSRF: page.VisitorOf(c).CSRF}
	if sent.Error != "" {
		v.XID = sent.XID
	}
	chosen := func(options []view.Option, value string) bool {
		return len(options) > 0 && options[0].Value == value
	}
	for _, one := range g.GPUs {
		index := strconv.Itoa(one.Index)
		v.GPUs = append(v.GPUs, view.Option{Value: index, Text: "GPU " + index, Selected: chosen(sent.GPUs, index)})
	}
	for _, kind := range mlops.GPUFaultKinds {
		v.Kinds = append(v.Kinds, view.Option{Value: kind, Text: faultTexts[kind], Selected: chosen(sent.Kinds, kind)})
	}
	for _, f := range g.Faults {
		row := view.GPUFault{GPU: strconv.Itoa(f.GPU), Name: fmt.Sprintf("GPU %d", f.GPU), Since: f.Since}
		switch f.Kind {
		case "xid":
			row.What = fmt.Sprintf("GPU %d: XID %d", f.GPU, f.XID)
		case "mismatch", "no-uvm":
			row.What = "All GPUs: " + strings.TrimSuffix(strings.ToLower(faultTexts[f.Kind][:1])+faultTexts[f.Kind][1:], "; of all GPUs")
		default:
			row.What = fmt.Sprintf("GPU %d: %s", f.GPU, strings.ToLower(faultTexts[f.Kind][:1])+faultTexts[f.Kind][1:])
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func (s *section) inject(c echo.Context) error {
	gpu, kind, xid := c.FormValue("gpu"), c.FormValue("kind"), strings.TrimSpace(c.FormValue("xid"))
	text := kind
	if kind == "xid" {
		text += "=" + xid
	}
	n, err := strconv.Atoi(gpu)
	if err != nil {
		err = mlops.Errorf(mlops.Invalid, "%q is no GPU: expected the index of one, from 0", view.Clip(gpu))
	} else {
		_, err = s.faulted(c, context.WithoutCancel(c.Request().Context()), n, text)
	}
	if err != nil {
		return s.refuse(c, forms{fault: view.GPUFaults{Error: s.refusal(err), XID: xid, GPUs: []view.Option{{Value: gpu}}, Kinds: []view.Option{{Value: kind}}}}, page.StatusOf(err))
	}
	return c.Redirect(http.StatusSeeOther, "/gpus#faults")
}
