# No node has the product by this name, so the pod waits for ever.
sed -e "s|^      terminationGracePeriodSeconds: 0|&\n      nodeSelector: {nvidia.com/gpu.product: A100}|" \
	-e 's|^        resources:$|&\n          limits: {nvidia.com/gpu: 1}|' trainer.yaml > trainer-wrong.yaml
kubectl apply -f trainer-wrong.yaml
