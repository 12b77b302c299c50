package labs

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// pathOf is the page of a lab.
func pathOf(lab string) string { return "/labs/" + url.PathEscape(lab) }

func (s *section) catalogue(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	all, err := s.Labs.Catalogue(ctx, who(c))
	v := view.Labs{Problem: s.Problem("the labs", err)}
	titles := map[string]string{}
	for _, e := range all {
		titles[e.Name] = e.Title
	}
	done, mended := 0, 0
	for i, e := range all {
		card := card(e.GuidedLab, e.Progress, titles)
		card.Number, card.Next = strconv.Itoa(i+1), e.Next && !e.Progress.Open
		if e.Lacks != "" {
			card.Lacks = inline(sentence(e.Lacks))
		}
		v.Path = append(v.Path, card)
		if e.Progress.Open {
			v.Open = append(v.Open, card)
		}
		if !e.Progress.DoneAt.IsZero() {
			done++
		}
		mended += e.Progress.Mended
	}
	if done+mended > 0 {
		v.Summary = fmt.Sprintf("So far: %d of %s done, %s mended.", done, view.Plural(len(all), "lab", "labs"), view.Plural(mended, "fault", "faults"))
	}
	return &page.Page{Title: "Labs", Nav: "labs", Body: view.LabsPage(v), Parts: []page.Part{{Name: "labs", Body: view.LabPath(v)}}}, nil
}

// card shows what a lab is and how far one got. titles are those of the labs that
// can be linked to.
func card(g mlops.GuidedLab, p mlops.LabProgress, titles map[string]string) view.LabCard {
	v := view.LabCard{ID: "lab-" + g.Name, Title: g.Title, URL: pathOf(g.Name), Summary: g.Summary, Level: g.Level, Duration: fmt.Sprintf("%d min", g.Minutes), Learn: g.Learn,
		Tasks:  view.LabMeter{Done: p.Passed, Of: p.Tasks, Text: fmt.Sprintf("%d of %s", p.Passed, view.Plural(p.Tasks, "task", "tasks"))},
		Faults: view.LabMeter{Done: p.Mended, Of: p.Faults, Text: fmt.Sprintf("%d of %s mended", p.Mended, view.Plural(p.Faults, "fault", "faults"))}}
	for _, name := range g.After {
		if title := titles[name]; title != "" {
			v.After = append(v.After, view.Link{Text: title, URL: pathOf(name)})
		}
	}
	switch {
	case p.Open:
		v.Pill = &view.Pill{Kind: view.Busy, Text: "open"}
	case !p.DoneAt.IsZero():
		v.Pill = &view.Pill{Kind: view.Good, Text: "done"}
	case p.Passed > 0:
		v.Pill = &view.Pill{Kind: view.Idle, Text: "begun"}
	}
	return v
}
