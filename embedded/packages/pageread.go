package packages

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// readJSON reads PEP 691's page. Addresses become absolute.
func readJSON(b []byte, base *url.URL) (*page, error) {
	var in struct {
		Meta struct {
			Version string `json:"api-version"`
		} `json:"meta"`
		Versions []string `json:"versions"`
		Files    []link   `json:"files"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, mlops.Errorf(mlops.Unavailable, "its JSON is not that of a simple index: %v", err)
	}
	if major, _, _ := strings.Cut(in.Meta.Version, "."); major != "1" {
		return nil, mlops.Errorf(mlops.Unavailable, "expected version 1 of the simple API, found %q", in.Meta.Version)
	}
	p := &page{Versions: in.Versions, Files: in.Files[:0]}
	for _, l := range in.Files {
		at, err := base.Parse(l.URL)
		if err != nil {
			continue // nobody could fetch it
		}
		if !l.Metadata.Is {
			l.Metadata = l.OldMetadata
		}
		at.Fragment, l.OldMetadata = "", metadataClaim{}
		l.URL = at.String()
		p.Files = append(p.Files, l)
	}
	return p, nil
}

// readHTML reads PEP 503's page: each anchor is a file. Addresses become absolute.
func readHTML(r io.Reader, base *url.URL) (*page, error) {
	p := &page{}
	for z := html.NewTokenizer(r); ; {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return nil, mlops.Errorf(mlops.Unavailable, "its HTML can't be read: %v", err)
			}
			return p, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			attr := map[string]string{}
			for _, a := range t.Attr {
				attr[a.Key] = a.Val
			}
			href, linked := attr["href"]
			at, err := base.Parse(href)
			switch {
			case !linked || err != nil:
			case t.DataAtom == atom.Base:
				base = at
			case t.DataAtom == atom.A:
				p.Files = append(p.Files, htmlLink(at, attr))
			}
		}
	}
}

func htmlLink(at *url.URL, attr map[string]string) link {
	l := link{Name: path.Base(at.Path), Hashes: hashesOf(at.Fragment), RequiresPython: attr["data-requires-python"]}
	l.Yanked.Why, l.Yanked.Is = attr["data-yanked"]
	for _, key := range []string{"data-core-metadata", "data-dist-info-metadata"} {
		if v, ok := attr[key]; ok && v != "false" {
			l.Metadata = metadataClaim{Is: true, Hashes: hashesOf(v)}
			break
		}
	}
	plain := *at
	plain.Fragment, plain.RawFragment = "", ""
	l.URL = plain.String()
	return l
}
