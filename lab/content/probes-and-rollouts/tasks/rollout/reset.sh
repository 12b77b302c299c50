kubectl patch deployment model -n "$LAB" --type strategic -p '{"spec": {"template": {"spec": {"containers": [
  {"name": "server", "env": [{"name": "MODEL", "value": "v1"}], "lifecycle": null}]}}}}'
curl -s -m 3 -X POST "http://caller.$LAB.svc/forget"
