# A GPU, but any GPU.
kubectl delete deployment trainer --ignore-not-found
sed 's|^        resources:$|&\n          limits: {nvidia.com/gpu: 1}|' trainer.yaml > trainer-wrong.yaml
kubectl apply -f trainer-wrong.yaml
