kubectl patch deployment candidate -n "$LAB" --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "env": [{"name": "MODEL", "value": "v3"}], "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}}]}}}}'
