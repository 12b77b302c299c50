package mlops

// ImageSource says how a container image came onto the machine.
type ImageSource string

// The sources of images.
const (
	ImageBundled ImageSource = "bundled" // it travels inside the binary
	ImageLoaded  ImageSource = "loaded"  // from an archive, by `benchtop images load` or the images folder
	ImagePulled  ImageSource = "pulled"  // from a registry
	// ImageEnvironment is what pushed code runs in: the lab's Python and packages.
	ImageEnvironment ImageSource = "environment"
)

// EnvironmentRepository is where the names of such images begin; a tag follows.
// No other image may be called so.
const EnvironmentRepository = "benchtop.local/environment"

// Image is a container image that pods can start from without a registry.
type Image struct {
	Reference string      `json:"reference"` // in full, such as docker.io/library/myapp:1
	Digest    string      `json:"digest"`
	Bytes     int64       `json:"bytes"` // on disk: as it came, and unpacked
	Source    ImageSource `json:"source"`
	Pods      []string    `json:"pods"` // namespace/name of those that name it and have not ended
}
