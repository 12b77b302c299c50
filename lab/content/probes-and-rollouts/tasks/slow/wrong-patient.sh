kubectl patch deployment forest --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "livenessProbe": {"initialDelaySeconds": 60}}]}}}}'
