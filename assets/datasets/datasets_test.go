package datasets_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/assets/datasets"
)

// The description and the file are two sources of the same facts; this keeps them one.
func TestDescriptionMatchesFile(t *testing.T) {
	names := datasets.Names()
	if want := []string{"iris", "wine", "breast-cancer"}; !slices.Equal(names, want) {
		t.Fatalf("Names() = %q, want %q", names, want)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			info, err := datasets.Describe(name)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := datasets.Bytes(name)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != info.SHA256 {
				t.Errorf("sha256 %x, described as %s", sum, info.SHA256)
			}
			reader := csv.NewReader(bytes.NewReader(raw))
			reader.FieldsPerRecord = -1
			records, err := reader.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			header := append([]string{strconv.Itoa(info.Rows), strconv.Itoa(len(info.Features))}, info.Classes...)
			if !slices.Equal(records[0], header) {
				t.Errorf("header %q, described as %q", records[0], header)
			}
			if len(records)-1 != info.Rows {
				t.Errorf("%d rows, described as %d", len(records)-1, info.Rows)
			}
			if info.Source == "" || info.Licence == "" || info.Title == "" {
				t.Errorf("source, licence or title is missing: %+v", info)
			}
		})
	}
}

func TestOpenReadsAndSeeks(t *testing.T) {
	file, err := datasets.Open("iris")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := io.ReadAll(file)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	second, _ := io.ReadAll(file)
	if !bytes.HasPrefix(first, []byte("150,4,setosa")) || !bytes.Equal(first, second) {
		t.Fatalf("read %d bytes, then %d", len(first), len(second))
	}
}

// A caller that changes what it got must not change what the next one gets.
func TestBytesIsACopy(t *testing.T) {
	first, _ := datasets.Bytes("iris")
	first[0] = 'X'
	second, _ := datasets.Bytes("iris")
	if second[0] != '1' {
		t.Fatalf("second read starts with %q", second[0])
	}
}

func TestUnknownNameListsTheNames(t *testing.T) {
	for _, name := range []string{"", "titanic", "../datasets", "iris.csv"} {
		if _, err := datasets.Open(name); err == nil || !strings.Contains(err.Error(), "iris, wine, breast-cancer") {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}
