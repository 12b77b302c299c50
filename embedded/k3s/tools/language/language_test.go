package language

import (
	"testing"

	"k8s.io/kubectl/pkg/util/i18n"
)

func TestEnglishNeedsNoTable(t *testing.T) {
	for _, c := range []struct {
		all, messages, lang string
		want                bool
	}{
		{want: true},
		{lang: "C", want: true},
		{lang: "C.UTF-8", want: true},
		{lang: "POSIX", want: true},
		{lang: "en_US.UTF-8", want: true},
		{lang: "de_DE.UTF-8"},
		{messages: "ja_JP.UTF-8", lang: "en_US.UTF-8"},
		{all: "en_GB.UTF-8", messages: "ja_JP.UTF-8", lang: "de_DE.UTF-8", want: true},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_MESSAGES", c.messages)
		t.Setenv("LANG", c.lang)
		if got := english(); got != c.want {
			t.Errorf("%+v: English is %v", c, got)
		}
	}
}

// A text is translated where another language is asked for.
func TestTexts(t *testing.T) {
	const text = "Create a namespace with the specified name"
	t.Setenv("LC_ALL", "de_DE.UTF-8") // it decides before the others
	if got := i18n.T(text); got == text {
		t.Errorf("in German %q is %q", text, got)
	}
}
