package gpu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// Namespaces are those whose ConfigMaps NVIDIA's operator and the charts of its
// device plugin read, in the order in which they win here. Nobody who may write
// into a project's namespace alone decides how the machine's GPUs are shared.
var Namespaces = []string{"gpu-operator", "nvidia-gpu-operator", "nvidia-device-plugin", "kube-system"}

// candidate is one key of a ConfigMap that holds a configuration.
type candidate struct {
	namespace, name, key string
	text                 string
}

func (c candidate) source() string { return c.namespace + "/" + c.name }

// known is what the ConfigMaps hold.
type known struct {
	plugin []candidate          // of the device plugin, by namespace, name and key
	mig    map[string]migLayout // layouts by name
	wrong  []string             // ConfigMaps that can't be read, and why
}

// pluginKeys are keys below sharing and flags that only the device plugin has:
// programs of others have ConfigMaps with a version and flags too.
var pluginKeys = map[string][]string{
	"sharing": {"timeSlicing", "mps"},
	"flags":   {"migStrategy", "failOnInitError", "nvidiaDriverRoot", "plugin", "gfd", "deviceDiscoveryStrategy"},
}

// readConfigs finds the configurations in the formats of NVIDIA's device plugin
// (api/config/v1) and of mig-parted (api/spec/v1).
func readConfigs(found []*corev1.ConfigMap) known {
	k := known{mig: map[string]migLayout{}}
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b *corev1.ConfigMap) int {
		return cmp.Or(slices.Index(Namespaces, a.Namespace)-slices.Index(Namespaces, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, m := range found {
		for _, key := range slices.Sorted(maps.Keys(m.Data)) {
			c := candidate{m.Namespace, m.Name, key, m.Data[key]}
			if !mayBeConfig(c.text) {
				continue
			}
			var doc map[string]any
			if err := yaml.Unmarshal([]byte(c.text), &doc); err != nil {
				k.wrong = append(k.wrong, fmt.Sprintf("ConfigMap %s: key %s is not YAML: %v", c.source(), key, err))
				continue
			}
			switch {
			case doc["mig-configs"] != nil:
				layouts, err := parseLayouts(doc)
				if err != nil {
					k.wrong = append(k.wrong, fmt.Sprintf("ConfigMap %s: key %s: %v", c.source(), key, err))
					continue
				}
				for name, l := range layouts {
					if _, there := k.mig[name]; !there {
						k.mig[name] = l
					}
				}
			case isPluginConfig(doc):
				k.plugin = append(k.plugin, c)
			}
		}
	}
	return k
}

var configPattern = regexp.MustCompile(`(?m)\b(mig-configs|sharing|flags)\b`)

func mayBeConfig(text string) bool { return configPattern.MatchString(text) }

func isPluginConfig(doc map[string]any) bool {
	for section, keys := range pluginKeys {
		fields, ok := doc[section].(map[string]any)
		if ok && slices.ContainsFunc(keys, func(key string) bool { _, has := fields[key]; return has }) {
			return true
		}
	}
	return false
}

// choose returns the plugin's configuration that is in force: the one that the
// node's label names, or the only one, or the one that NVIDIA's examples call
// any, or default. An empty candidate is none.
func (k known) choose(label string) (candidate, error) {
	var names []string
	for _, c := range k.plugin {
		if c.key == label {
			return c, nil
		}
		names = append(names, c.key+" ("+c.source()+")")
	}
	have := "there is none in the namespaces " + strings.Join(Namespaces, ", ")
	if len(names) > 0 {
		have = "there are " + strings.Join(names, ", ")
	}
	if label != "" {
		return candidate{}, mlops.Errorf(mlops.NotFound, "the node's label %s names %s, but no ConfigMap has a key of that name: %s", cluster.LabelGPUConfig, label, have)
	}
	if len(k.plugin) == 1 {
		return k.plugin[0], nil
	}
	for _, usual := range []string{"any", "default"} {
		for _, c := range k.plugin {
			if c.key == usual {
				return c, nil
			}
		}
	}
	if len(k.plugin) > 1 {
		return candidate{}, mlops.Errorf(mlops.InvalidState, "several ConfigMaps say how GPUs are shared: label the node with %s=KEY to choose; %s", cluster.LabelGPUConfig, have)
	}
	return candidate{}, nil
}

// withStrategy returns the configuration with a MIG strategy, unless it names
// one itself. None of text and strategy gives none.
func withStrategy(text, strategy string) ([]byte, error) {
	if strategy == "" {
		return []byte(text), nil
	}
	doc := map[string]any{"version": "v1"}
	if text != "" {
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
	}
	flags, _ := doc["flags"].(map[string]any)
	if flags == nil {
		flags = map[string]any{}
	}
	if _, ok := flags["migStrategy"]; !ok {
		flags["migStrategy"] = strategy
	}
	doc["flags"] = flags
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return b, nil
}
