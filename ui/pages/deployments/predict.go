package deployments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// predictForm returns the form with an example filled in.
func (s *section) predictForm(d mlops.Deployment) view.PredictForm {
	f := view.PredictForm{Action: paths.Deployment(d.Name) + "/predict", Note: "The form appears when the first model has been loaded.", Path: strings.TrimSuffix(d.Path, "/") + "/predict"}
	if d.Version != "" {
		f.JSON = s.desk.ExampleBody(d)
	}
	for i, x := range s.desk.Example(d) {
		label := fmt.Sprintf("feature %d", i+1)
		if i < len(d.FeatureNames) {
			label = d.FeatureNames[i]
		}
		f.Fields = append(f.Fields, view.Field{Name: fmt.Sprintf("x%d", i), Label: label, Value: strconv.FormatFloat(x, 'f', -1, 64)})
	}
	return f
}

// predict asks the deployment and shows its answer: as a fragment for the
// form's script, as the whole page without it. It changes nothing, so it is
// a GET and its address can be kept.
func (s *section) predict(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	d, err := s.desk.Find(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	form := s.predictForm(d)
	body, result := readBody(c, &form)
	if result == nil {
		status, answer, took, err := s.Loop.Predict(ctx, d.Name, body)
		if err != nil {
			p := s.Problem("the prediction", err)
			result = &view.Prediction{Message: p.Message}
		} else {
			result = readPrediction(status, answer)
			result.Took = view.Seconds(took.Seconds())
		}
	}
	form.Result = result
	if c.Request().Header.Get("HX-Request") != "" {
		return page.Fragment(c, http.StatusOK, view.PredictionBox(*result))
	}
	p, err := s.deploymentPage(c, deploymentForms{predict: &form})
	if err != nil {
		return err
	}
	p.Parts = nil // the address of the event stream is that of the plain page
	return s.Render(c, p)
}

// readBody reads what is to be sent: JSON as it was typed, or the numbers of
// the form.
func readBody(c echo.Context, form *view.PredictForm) ([]byte, *view.Prediction) {
	if c.QueryParams().Has("json") && form.JSON != "" {
		form.JSON = strings.TrimSpace(c.QueryParam("json"))
		switch {
		case len(form.JSON) > view.MaxJSON:
			return nil, &view.Prediction{Message: fmt.Sprintf("The JSON has %d bytes, and this form takes up to %d: send it with curl.", len(form.JSON), view.MaxJSON)}
		case !json.Valid([]byte(form.JSON)):
			return nil, &view.Prediction{Message: `This is no JSON: expected for example {"instances": [[1, 2]]}.`}
		}
		return []byte(form.JSON), nil
	}
	instance, result := readInstance(c, form)
	return []byte(serving.InstanceBody(instance)), result
}

// readInstance reads the form's numbers; if they are none, it returns what to
// show instead of an answer. A decimal comma is taken for a point.
func readInstance(c echo.Context, form *view.PredictForm) ([]float64, *view.Prediction) {
	if len(form.Fields) == 0 {
		return nil, &view.Prediction{Message: form.Note}
	}
	var instance []float64
	for i := range form.Fields {
		f := &form.Fields[i]
		if c.QueryParams().Has(f.Name) {
			f.Value = strings.TrimSpace(c.QueryParam(f.Name))
		}
		x, err := strconv.ParseFloat(strings.Replace(f.Value, ",", ".", 1), 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, &view.Prediction{Message: fmt.Sprintf("%s is %q: expected a number such as 1.5.", f.Label, f.Value)}
		}
		instance = append(instance, x)
	}
	return instance, nil
}

// readPrediction reads the answer of an inference server. What it does not
// know is still shown as it came.
func readPrediction(status int, answer []byte) *view.Prediction {
	p := &view.Prediction{Status: status, Raw: strings.ToValidUTF8(string(answer), "�")}
	var pretty bytes.Buffer
	if json.Indent(&pretty, answer, "", "  ") == nil {
		p.Raw = pretty.String()
	}
	var a struct {
		Version     json.RawMessage `json:"version"`
		Predictions []struct {
			Class         json.RawMessage    `json:"class"`
			Probabilities map[string]float64 `json:"probabilities"`
		} `json:"predictions"`
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	err := json.Unmarshal(answer, &a)
	if status != http.StatusOK {
		if p.Message = a.Error.Message; p.Message == "" {
			p.Message = "The server refused; its answer is below."
		}
		return p
	}
	if line := anyPredictions(answer); line != "" {
		p.OK, p.Plain, p.Class, p.Version = true, true, line, plain(a.Version)
		return p
	}
	if err != nil || len(a.Predictions) == 0 {
		p.Message = "The server answered something unexpected; its answer is below."
		return p
	}
	first := a.Predictions[0]
	p.OK, p.Class, p.Version = true, plain(first.Class), plain(a.Version)
	for class, share := range first.Probabilities {
		p.Chances = append(p.Chances, view.Chance{Class: class, Share: share, Text: view.Percent(share), Best: class == p.Class})
	}
	sort.Slice(p.Chances, func(i, j int) bool {
		if p.Chances[i].Share != p.Chances[j].Share {
			return p.Chances[i].Share > p.Chances[j].Share
		}
		return p.Chances[i].Class < p.Chances[j].Class
	})
	return p
}

// anyPredictions returns the predictions of a model that tells no classes, on
// one line, "" if there are none.
func anyPredictions(answer []byte) string {
	var a struct {
		Predictions json.RawMessage `json:"predictions"`
	}
	if json.Unmarshal(answer, &a) != nil || len(a.Predictions) == 0 {
		return ""
	}
	var classes []struct {
		Class json.RawMessage `json:"class"`
	}
	if json.Unmarshal(a.Predictions, &classes) == nil && (len(classes) == 0 || classes[0].Class != nil) {
		return ""
	}
	var line bytes.Buffer
	if json.Compact(&line, a.Predictions) != nil || line.String() == "null" {
		return ""
	}
	return view.Clip(line.String())
}

// plain returns a JSON scalar without its quotes.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
