package deployments

import (
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// findingViews shows what is wrong with a deployment. What became of its newest
// revision is said at the head of the page, with the button to press.
func findingViews(found []mlops.Finding) []view.Finding {
	var out []view.Finding
	for _, f := range found {
		if f.Level == mlops.LevelOK || strings.HasSuffix(f.Check, " release") {
			continue
		}
		v := view.Finding{Kind: view.Warn, Detail: view.Capital(f.Detail), Fix: view.Capital(f.Fix), Seen: f.Seen}
		if f.Level == mlops.LevelFail {
			v.Kind = view.Bad
		}
		// Where the pages can do it, nobody has to type.
		if v.Link = placeLink(f.Place); v.Link == nil {
			v.Command = f.Command
		}
		out = append(out, v)
	}
	return out
}

// placeLink leads to where something can be done about a finding.
func placeLink(place string) *view.Link {
	if place == "" {
		return nil
	}
	path, _, _ := strings.Cut(place, "?")
	text := map[string]string{"#logs": "The logs", "#history": "The history", "#pods": "The pods",
		"/system/pods": "The pods of the cluster", "/system/events": "The events of the cluster", "/system/images": "The images"}[path]
	if text == "" {
		text = "Its page"
	}
	return &view.Link{Text: text, URL: place}
}
