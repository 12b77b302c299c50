kubectl patch deployment trainer --type json -p '[{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {"requests": {"cpu": "10m", "memory": "16Mi"}}}]'
kubectl delete pods -l app=trainer --now --wait=false
