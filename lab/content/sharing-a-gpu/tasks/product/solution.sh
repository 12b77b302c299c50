product=$(kubectl get node -l nvidia.com/gpu.present=true -o json | jq -r '.items[0].metadata.labels["nvidia.com/gpu.product"]')
sed -e "s|^      terminationGracePeriodSeconds: 0|&\n      nodeSelector: {nvidia.com/gpu.product: $product}|" \
	-e 's|^        resources:$|&\n          limits: {nvidia.com/gpu: 1}|' trainer.yaml > trainer-gpu.yaml
kubectl apply -f trainer-gpu.yaml
kubectl rollout status deployment trainer --timeout 60s
