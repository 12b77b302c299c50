product=$(kubectl get node -l nvidia.com/gpu.present=true -o json | jq -r '.items[0].metadata.labels["nvidia.com/gpu.product"]')
kubectl patch deployment trainer -p '{"spec": {"template": {"spec": {"nodeSelector": {"nvidia.com/gpu.product": "'$product'"}}}}}'
