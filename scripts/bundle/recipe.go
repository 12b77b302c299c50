package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// Recipe says how one component of the bundle is made. It is read from assets/images/<name>/recipe.json; the files
// beside it (go.mod, locks, sources) belong to it.
type Recipe struct {
	Name string `json:"-"` // the folder's name
	Dir  string `json:"-"` // the folder

	Kind     string `json:"kind"` // image or bin
	Title    string `json:"title"`
	Version  string `json:"version"`
	Licenses string `json:"licenses"` // SPDX expression
	Source   string `json:"source"`   // upstream's URL

	Steps []Step `json:"steps"`

	// Images only.
	// Base names the image whose layers come below this one's: the archive has them once.
	Base       string   `json:"base,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	User       string   `json:"user,omitempty"` // uid:gid
	Env        []string `json:"env,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`

	// Bins only: further names a program answers to, by its path in the stage.
	Links map[string][]string `json:"links,omitempty"`

	base *Recipe // that Base names
}

// Step adds to the stage, the directory that becomes an image's own layer or holds programs. Exactly one of its
// fields is set.
type Step struct {
	Go      *GoStep      `json:"go,omitempty"`
	C       *CStep       `json:"c,omitempty"`
	Debian  *DebianStep  `json:"debian,omitempty"`
	Wheels  *WheelsStep  `json:"wheels,omitempty"`
	Compile *CompileStep `json:"compile,omitempty"`
	Files   *FilesStep   `json:"files,omitempty"`
}

// Kinds of recipe.
const (
	kindImage = "image"
	kindBin   = "bin"
)

// loadRecipes reads every recipe below dir (assets/images), sorted by name.
func loadRecipes(dir string) ([]*Recipe, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "recipe.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no recipes in %s: run this from the repository's root", dir)
	}
	sort.Strings(files)
	var all []*Recipe
	for _, file := range files {
		r, err := loadRecipe(file)
		if err != nil {
			return nil, fmt.Errorf("read recipe %s: %w", file, err)
		}
		all = append(all, r)
	}
	for _, r := range all {
		if err := r.findBase(all); err != nil {
			return nil, fmt.Errorf("recipe %s: %w", r.Name, err)
		}
	}
	return all, nil
}

// findBase refuses a base that has one itself: nothing needs that yet, and it could go round in a circle.
func (r *Recipe) findBase(all []*Recipe) error {
	if r.Base == "" {
		return nil
	}
	for _, b := range all {
		if b.Name == r.Base && b.Kind == kindImage && b.Base == "" {
			r.base = b
			return nil
		}
	}
	return fmt.Errorf("base is %q, expected the name of an image that has no base itself", r.Base)
}

func loadRecipe(file string) (*Recipe, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	r := &Recipe{Name: filepath.Base(dir), Dir: dir}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	return r, r.validate()
}

var userPattern = regexp.MustCompile(`^\d+:\d+$`)

func (r *Recipe) validate() error {
	for field, value := range map[string]string{"title": r.Title, "version": r.Version, "licenses": r.Licenses, "source": r.Source} {
		if value == "" {
			return fmt.Errorf("%s is missing", field)
		}
	}
	if strings.HasPrefix(r.Version, "v") {
		return fmt.Errorf("version %q: write it without the v", r.Version)
	}
	switch r.Kind {
	case kindImage:
		if len(r.Entrypoint) == 0 {
			return fmt.Errorf("entrypoint is missing")
		}
		if !userPattern.MatchString(r.User) {
			return fmt.Errorf("user is %q, expected numbers uid:gid (an image's user must be known without its /etc/passwd)", r.User)
		}
	case kindBin:
		if r.Base != "" {
			return fmt.Errorf("base is %q, but only images have one", r.Base)
		}
	default:
		return fmt.Errorf("kind is %q, expected %q or %q", r.Kind, kindImage, kindBin)
	}
	if len(r.Steps) == 0 {
		return fmt.Errorf("it has no steps")
	}
	for i, s := range r.Steps {
		if _, err := s.action(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if s.Go != nil && s.Go.Link != "" && (!s.Go.Cgo || s.Go.Link != linkStatic && s.Go.Link != linkDynamic) {
			return fmt.Errorf("step %d: link is %q, expected static or dynamic, for programs with cgo alone: the others need no C library", i+1, s.Go.Link)
		}
		if s.C != nil && (len(s.C.Sources) == 0 || s.C.Out == "") {
			return fmt.Errorf("step %d: a c step needs sources and out", i+1)
		}
	}
	return nil
}

// action is what a step does.
type action interface {
	// key returns what determines the step's result beyond the recipe's own files: compilers, modules.
	key(b *Builder, r *Recipe) (string, error)
	// run adds to the stage.
	run(b *Builder, r *Recipe, stage string) error
}

func (s Step) action() (action, error) {
	var set []action
	if s.Go != nil {
		set = append(set, s.Go)
	}
	if s.C != nil {
		set = append(set, s.C)
	}
	if s.Debian != nil {
		set = append(set, s.Debian)
	}
	if s.Wheels != nil {
		set = append(set, s.Wheels)
	}
	if s.Compile != nil {
		set = append(set, s.Compile)
	}
	if s.Files != nil {
		set = append(set, s.Files)
	}
	if len(set) != 1 {
		return nil, fmt.Errorf("it has %d actions, expected exactly one of go, c, debian, wheels, compile, files", len(set))
	}
	return set[0], nil
}
