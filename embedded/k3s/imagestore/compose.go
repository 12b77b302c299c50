package imagestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// addition is what an image has more than its base.
type addition struct {
	base string // its name
	diff digest.Digest
	size int64 // of the layer in bytes, as a plain tar
	env  map[string]string
}

// composed is an image in the making.
type composed struct {
	config, manifest []byte
	target           ocispec.Descriptor // of manifest
}

// compose describes the image of a base and one layer. It keeps what it does not
// know of the base's configuration. The result depends on nothing else, so no time
// is in it but the base's own.
func compose(base ocispec.Manifest, config []byte, add addition) (composed, error) {
	config, err := composeConfig(config, add)
	if err != nil {
		return composed{}, err
	}
	// An image is all Docker's or all of the OCI's.
	manifestType, layerType := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageLayer
	if base.Config.MediaType == images.MediaTypeDockerSchema2Config {
		manifestType, layerType = images.MediaTypeDockerSchema2Manifest, images.MediaTypeDockerSchema2Layer
	}
	manifest, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: manifestType,
		Config: ocispec.Descriptor{MediaType: base.Config.MediaType, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers: append(slices.Clone(base.Layers), ocispec.Descriptor{MediaType: layerType, Digest: add.diff, Size: add.size}),
	})
	if err != nil {
		return composed{}, fmt.Errorf("encode manifest: %w", err)
	}
	return composed{config: config, manifest: manifest,
		target: ocispec.Descriptor{MediaType: manifestType, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}}, nil
}

func composeConfig(base []byte, add addition) ([]byte, error) {
	var all map[string]json.RawMessage
	var known struct {
		Created json.RawMessage   `json:"created"`
		RootFS  ocispec.RootFS    `json:"rootfs"`
		History []json.RawMessage `json:"history"`
	}
	run := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(base, &all), json.Unmarshal(base, &known)); err != nil {
		return nil, fmt.Errorf("read its configuration: %w", err)
	}
	if all == nil {
		return nil, errors.New("read its configuration: it is null, expected an object")
	}
	var variables []string
	if raw, ok := all["config"]; ok {
		var has struct{ Env []string }
		if err := errors.Join(json.Unmarshal(raw, &run), json.Unmarshal(raw, &has)); err != nil {
			return nil, fmt.Errorf("read what its configuration runs: %w", err)
		}
		variables = has.Env
	}
	if run == nil { // null
		run = map[string]json.RawMessage{}
	}
	known.RootFS.DiffIDs = append(known.RootFS.DiffIDs, add.diff)
	entry := map[string]any{"created_by": "benchtop environment on " + add.base}
	if len(known.Created) > 0 {
		entry["created"] = known.Created
	}
	put := func(into map[string]json.RawMessage, key string, value any) error {
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encode %s: %w", key, err)
		}
		into[key] = b
		return nil
	}
	history := make([]any, 0, len(known.History)+1)
	for _, h := range known.History {
		history = append(history, h)
	}
	err := errors.Join(
		put(run, "Env", withVariables(variables, add.env)),
		put(all, "config", run),
		put(all, "rootfs", known.RootFS),
		put(all, "history", append(history, entry)))
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	return b, nil
}

// withVariables sets variables, of which each is NAME=VALUE. New ones come last,
// by name.
func withVariables(have []string, set map[string]string) []string {
	out := slices.DeleteFunc(slices.Clone(have), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		_, again := set[name]
		return again
	})
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return out
}
