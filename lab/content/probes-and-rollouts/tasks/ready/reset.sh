kubectl patch deployment model -n "$LAB" --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "readinessProbe": null}]}}}}'
