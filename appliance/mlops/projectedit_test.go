package mlops

import (
	"encoding/json"
	"testing"
)

func TestProjectAsJSON(t *testing.T) {
	for text, want := range map[JSONObject]string{"": "{}", `{ "C": 1 }`: `{"C":1}`} {
		b, err := json.Marshal(struct{ P JSONObject }{text})
		if err != nil || string(b) != `{"P":`+want+`}` {
			t.Errorf("%q becomes %s, %v", text, b, err)
		}
	}
	for text, want := range map[string]JSONObject{`{}`: "", `{ "a" : [1, 2] }`: `{"a":[1,2]}`} {
		var e ProjectEdit
		if err := json.Unmarshal([]byte(`{"params": `+text+`}`), &e); err != nil || e.Params == nil || *e.Params != want {
			t.Errorf("%s becomes %v, %v", text, e.Params, err)
		}
	}
	for _, text := range []string{`5`, `"x"`, `[1]`} {
		var e ProjectEdit
		if err := json.Unmarshal([]byte(`{"params": `+text+`}`), &e); CodeOf(err) != Invalid || MessageOf(err) != `expected a JSON object such as {"C": 0.5}, found `+text {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEditMarksWhatDiffers(t *testing.T) {
	p := Project{Schedule: "0 * * * *", TimeZone: "UTC", Params: `{"C":1}`}
	schedule, zone, params := " 0 * * * * ", "UTC", JSONObject(`{ "C": 1 }`)
	same := ProjectEdit{Schedule: &schedule, TimeZone: &zone, Params: &params}
	if got := same.Of(p); !got.Equal(p) {
		t.Errorf("the same form makes %+v", got)
	}
	params = "{}"
	if got := same.Of(p); got.Params != "" || got.Edited != (EditedFields{Params: true}) {
		t.Errorf("without parameters it is %+v", got)
	}
	got := ProjectDefaults{Schedule: "1 1 1 1 *", TimeZone: "Asia/Tokyo", Params: `{"C":3}`}.Of(Project{Params: `{"C":2}`, Edited: EditedFields{Params: true}})
	if got.Schedule != "1 1 1 1 *" || got.TimeZone != "Asia/Tokyo" || got.Params != `{"C":2}` {
		t.Errorf("it follows to %+v", got)
	}
}

func TestKeyBucketsWithAPrefix(t *testing.T) {
	for text, want := range map[string]KeyBucket{
		"data":                {Name: "data"},
		"data/team-a/:rw":     {Name: "data", Prefix: "team-a/", Write: true},
		"datasets/wine/x.csv": {Name: "datasets", Prefix: "wine/x.csv"},
	} {
		var b KeyBucket
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s is %+v, %v", text, b, err)
		}
		var back KeyBucket
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Errorf("%s comes back as %+v, %v", b, back, err)
		}
	}
	for _, text := range []string{"data//x", "data/*:ro", "data/a?b", "data/ä"} {
		var b KeyBucket
		if err := b.UnmarshalText([]byte(text)); CodeOf(err) != Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestKeyOfAProject(t *testing.T) {
	k := Key{Name: ProjectKeyName("wine"), Role: RoleTrainer, Buckets: []KeyBucket{{Name: "datasets", Prefix: "wine/"}}}
	if p, ok := k.ProjectOf(); p != "wine" || !ok {
		t.Errorf("it belongs to %q, %t", p, ok)
	}
	k.Buckets = nil
	if _, ok := k.ProjectOf(); ok {
		t.Error("somebody's own key of an earlier version is a project's")
	}
	if err := validateKeyName("project-wine"); CodeOf(err) != Invalid {
		t.Errorf("anybody may make the key of a project: %v", err)
	}
}
