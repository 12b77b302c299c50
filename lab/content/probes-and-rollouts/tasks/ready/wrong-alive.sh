kubectl patch deployment model --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}}]}}}}'
