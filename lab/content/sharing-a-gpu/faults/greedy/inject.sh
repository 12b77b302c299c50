kubectl patch deployment trainer --type json -p '[{"op": "add", "path": "/spec/template/spec/containers/0/resources/limits", "value": {"nvidia.com/gpu": "64"}},
	{"op": "remove", "path": "/spec/template/spec/containers/0/resources"},
	{"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"nvidia.com/gpu": "64"}}}]'
kubectl delete pods -l app=trainer --now --wait=false
