// Package images reads what travels inside the benchtop binary: the OCI images that its pods run and the programs
// (runc, the containerd shim, CNI plugins, iptables) that K3s executes on the host. They lie in a zip archive appended
// to the executable, written by scripts/bundle. See assets/images/DESIGN.md.
package images

// Names of the archive's entries. scripts/bundle writes them, this package reads them.
const (
	IndexFile = "bundle.json"
	ImageDir  = "images/"
	BinDir    = "bin/"
)

// Index is the content of bundle.json: what the bundle holds.
type Index struct {
	Arch   string  `json:"arch"` // as in runtime.GOARCH
	Images []Image `json:"images"`
	Bins   []Bin   `json:"bins"`
	// PackageIndex is the address of the index of Python packages that the uv in the bundle asks where nothing else is said.
	PackageIndex string `json:"package_index,omitempty"`
}

// Image is one OCI image, stored as an image-layout tar under images/<Name>.tar.
type Image struct {
	Name     string `json:"name"`           // for example traefik
	Version  string `json:"version"`        // the component's own version, for example 3.6.12
	Ref      string `json:"ref"`            // full reference, what a pod's image field says: benchtop.local/traefik:3.6.12-0123456789ab
	Base     string `json:"base,omitempty"` // name of the image whose layers come first; this tar does not hold them
	Digest   string `json:"digest"`         // the manifest's digest, sha256:…
	Recipe   string `json:"recipe"`         // hash of everything that determines the image, hex
	Size     int64  `json:"size"`           // bytes of the tar (compressed layers)
	Unpacked int64  `json:"unpacked"`       // bytes of the layers once decompressed
	SHA256   string `json:"sha256"`         // of the tar, hex
}

// Bin is one program for the host, stored under bin/<Name>.
type Bin struct {
	// Name is the path below the directory that programs are installed in, for example runc or aux/iptables-nft.
	Name      string `json:"name"`
	Component string `json:"component"` // the recipe that made it, for example cni-plugins
	Version   string `json:"version"`   // the component's
	Recipe    string `json:"recipe"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"` // bytes, uncompressed
	// Links are further names, in the same directory, under which the program behaves differently: symbolic links.
	Links []string `json:"links,omitempty"`
}
