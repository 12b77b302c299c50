product=NVIDIA-H200
now=$(kubectl get deployment trainer -o json | jq -r '.spec.template.spec.nodeSelector["nvidia.com/gpu.product"]')
if [ "$now" = "$product" ]; then product=NVIDIA-B200; fi
kubectl patch deployment trainer -p '{"spec": {"template": {"spec": {"nodeSelector": {"nvidia.com/gpu.product": "'$product'"}}}}}'
kubectl delete pods -l app=trainer --now --wait=false
