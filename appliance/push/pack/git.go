package pack

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// foldsCase says whether upper and lower case are the same in names: git asks
// the file system when it makes a repository, and this is what it mostly finds.
var foldsCase = runtime.GOOS == "darwin" || runtime.GOOS == "windows"

// gitPatience is how long git may take for one answer. A push does not need it.
const gitPatience = 30 * time.Second

// fromGit is what git knows of a folder.
type fromGit struct {
	commit string
	dirty  bool
	kept   map[string]bool // files that git has although a .gitignore leaves them out
}

// askGit asks git for what it knows of a folder, or of one file in it. Without
// git, or where git refuses, nothing is known.
func askGit(dir, file string) (out fromGit) {
	what := "."
	if file != "" {
		what = file
	}
	commit, ok := git(dir, "rev-parse", "--verify", "--quiet", "HEAD")
	if !ok {
		return fromGit{}
	}
	// A folder that lies in somebody's repository, but of which nothing is in it, has no commit.
	if known, ok := git(dir, "ls-tree", "-z", "--name-only", "HEAD", "--", "./"); !ok || known == "" {
		return fromGit{}
	}
	status, ok := git(dir, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ":(literal)"+what)
	if !ok {
		return fromGit{}
	}
	out.commit = strings.TrimSpace(commit)
	for _, change := range split(status) {
		if len(change) > 3 && !slices.ContainsFunc(strings.Split(change[3:], "/"), func(part string) bool { return slices.Contains(leftOut, part) }) {
			out.dirty = true
		}
	}
	if kept, ok := git(dir, "ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore", "--", ":(literal)"+what); ok {
		out.kept = map[string]bool{}
		for _, name := range split(kept) {
			out.kept[name] = true
		}
	}
	return out
}

func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == 0 })
}

// git runs git in dir. What its caller's environment says of another
// repository, as in a hook, is not meant; and asking must change nothing.
func git(dir string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), gitPatience)
	defer cancel()
	c := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks"}, args...)...)
	c.Dir = dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"}, name) {
			c.Env = append(c.Env, v)
		}
	}
	out, err := c.Output()
	return string(out), err == nil
}
