kubectl patch deployment model -n "$LAB" --type strategic -p '{"spec": {
  "strategy": {"rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}},
  "template": {"spec": {"containers": [
    {"name": "server", "livenessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}}]}}}}'
