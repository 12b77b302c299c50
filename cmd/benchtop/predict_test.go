package main

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestInstance(t *testing.T) {
	for in, want := range map[string]string{
		"5.1,3.5,1.4,0.2": `{"instances":[[5.1,3.5,1.4,0.2]]}`,
		" 1 , -2e3 ":      `{"instances":[[1,-2000]]}`,
		"0":               `{"instances":[[0]]}`,
	} {
		if got, err := instance(in); err != nil || string(got) != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":        `"" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`,
		"1,two,3": `"two" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`,
		"1,,3":    `"" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`,
		"1;2":     `"1;2" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`,
		"1,NaN":   `"1,NaN": features must be finite numbers`,
		"Inf":     `"Inf": features must be finite numbers`,
		"1e999":   `"1e999" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`,
	} {
		_, err := instance(in)
		if mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != want {
			t.Errorf("%q: error %v, expected %s", in, err, want)
		}
	}
	_, err := run(t, "", "predict", "a,b", "--data-dir", t.TempDir())
	expectMessage(t, err, `"a" is not a number: expected features separated by commas, such as 5.1,3.5,1.4,0.2`)
}

func TestAnswerMessage(t *testing.T) {
	for in, want := range map[string]string{
		`{"error": {"message": "expected 4 features"}}`:       "expected 4 features",
		`{"code": "X", "message": "it does not answer"}`:      "it does not answer",
		`{"error": {"message": "inner"}, "message": "outer"}`: "inner",
		`{"detail": "something else"}`:                        `{"detail": "something else"}`,
		"  Bad Gateway\n":                                     "Bad Gateway",
		`{"error": "a string"}`:                               `{"error": "a string"}`,
	} {
		if got := answerMessage([]byte(in)); got != want {
			t.Errorf("%s: %q, expected %q", in, got, want)
		}
	}
}
