package mlops

import "time"

// CodeBucket holds the code of projects, each archive under its digest.
const CodeBucket = "code"

// ProjectCode is the code that somebody has pushed for a project: a tar.gz of a
// folder, known by its digest, with how it is run.
type ProjectCode struct {
	SHA256   string    `json:"sha256"` // of the archive, lower-case hex
	Bytes    int64     `json:"bytes"`  // of the archive
	Files    int       `json:"files"`
	Commit   string    `json:"commit,omitempty"` // of git, if the folder was a work tree
	Dirty    bool      `json:"dirty,omitempty"`  // the folder had changes that are in no commit
	PushedBy string    `json:"pushed_by"`
	PushedAt time.Time `json:"pushed_at"`
	Plan     CodePlan  `json:"plan"`
}

// Key is the archive's place in CodeBucket.
func (c ProjectCode) Key(project string) string { return project + "/" + c.SHA256 + ".tar.gz" }

// URI is the archive's address in the object store.
func (c ProjectCode) URI(project string) string { return "s3://" + CodeBucket + "/" + c.Key(project) }
