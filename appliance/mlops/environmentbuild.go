package mlops

import "time"

// EnvironmentBucket holds the layers of environments, each under the digest of its
// lock.
const EnvironmentBucket = "environments"

// NeedsEnvironment is the exit code of a training whose code needs packages that
// are not there.
const NeedsEnvironment = 42

// EnvironmentBuildTime is how long the Job that builds an environment may take.
// What it is given must be valid for longer.
const EnvironmentBuildTime = time.Hour

// EnvironmentBuild is everything that the cluster needs to build the environment
// that a training's code asked for.
type EnvironmentBuild struct {
	Project  Project // with the code whose needs are looked at
	Training Training
	Request  string            // digest of what was asked for
	Base     string            // image that the environment is put on
	Image    string            // runs the build
	Code     map[string]string // file name → content, mounted at /opt/benchtop
	CodeSHA  string            // digest of Code
	// CodeURL gets the archive of the project's code. LayerURL and ReportURL put
	// what was built. They carry their own right to it, and the Job has no other.
	CodeURL, LayerURL, ReportURL string
	IndexURL                     string   // of the packages, for example http://packages.benchtop.svc:3141/simple/
	KnownLocks                   []string // digests of locks for which Base has an environment
}
