kubectl patch deployment forest -n "$LAB" --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "startupProbe": null,
   "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "initialDelaySeconds": 0, "periodSeconds": 2, "failureThreshold": 3}}]}}}}'
