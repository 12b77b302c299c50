package mlops

import (
	"strings"
	"testing"
)

func expectInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if CodeOf(err) != Invalid || MessageOf(err) != want {
		t.Errorf("error is %v (%s), expected %q (%s)", err, CodeOf(err), want, Invalid)
	}
}

func TestValidateName(t *testing.T) {
	for _, ok := range []string{"a", "iris", "breast-cancer", "x1", "a--b", strings.Repeat("a", 40)} {
		if err := ValidateName("project", ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "1iris", "-iris", "iris-", "Iris", "iris_2", "iris.2", "ir is", "iris\n", "írís", "../etc", strings.Repeat("a", 41)} {
		err := ValidateName("project", bad)
		if CodeOf(err) != Invalid || !strings.HasPrefix(MessageOf(err), "project name ") ||
			!strings.HasSuffix(MessageOf(err), "is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	expectInvalid(t, ValidateName("deployment", "No"), `deployment name "No" is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'`)
}

func TestDatasetValidate(t *testing.T) {
	good := Dataset{Name: "iris", SHA256: strings.Repeat("0a", 32), Bucket: "datasets", Key: "iris/x.csv", Rows: 150, Features: 4}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := good.URI(); got != "s3://datasets/iris/x.csv" {
		t.Errorf("URI is %s", got)
	}
	for want, edit := range map[string]func(*Dataset){
		`dataset name "Iris" is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'`: func(d *Dataset) { d.Name = "Iris" },
		`dataset iris: digest "abc" is not 64 lower-case hex digits`:                                                                            func(d *Dataset) { d.SHA256 = "abc" },
		`dataset iris: digest "` + strings.Repeat("0A", 32) + `" is not 64 lower-case hex digits`:                                               func(d *Dataset) { d.SHA256 = strings.Repeat("0A", 32) },
		`dataset iris: bucket and key must be set`:                                                                                              func(d *Dataset) { d.Key = "" },
		`dataset iris: expected at least one row and one feature, found 0 and 4`:                                                                func(d *Dataset) { d.Rows = 0 },
		`dataset iris: expected at least one row and one feature, found 150 and 0`:                                                              func(d *Dataset) { d.Features = 0 },
	} {
		d := good
		edit(&d)
		expectInvalid(t, d.Validate(), want)
	}
	noBucket := good
	noBucket.Bucket = ""
	expectInvalid(t, noBucket.Validate(), "dataset iris: bucket and key must be set")
}

func TestValidateAlias(t *testing.T) {
	for _, ok := range []string{"champion", "a", "A_b-9", "v", "v1a", "vv1", strings.Repeat("a", 255)} {
		if err := ValidateAlias(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for bad, want := range map[string]string{
		"":                       `the alias must not be empty`,
		"two words":              `the alias "two words" is not usable: expected letters, digits, '_' and '-' only`,
		"é":                      `the alias "é" is not usable: expected letters, digits, '_' and '-' only`,
		"Latest":                 `the alias 'latest' is reserved: it always means the newest version`,
		"V12":                    `the alias "V12" is reserved: 'v' and a number would be taken for a version number`,
		strings.Repeat("b", 256): `the alias "` + strings.Repeat("b", 80) + `"… is longer than 255 characters`,
	} {
		expectInvalid(t, ValidateAlias(bad), want)
	}
}
