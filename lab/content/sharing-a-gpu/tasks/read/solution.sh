node=$(kubectl get node -l nvidia.com/gpu.present=true -o json | jq '.items[0]')
label() { echo "$node" | jq -r --arg k "nvidia.com/gpu.$1" '.metadata.labels[$k]'; }
kubectl create configmap gpus --dry-run=client -o yaml \
	--from-literal=product="$(label product)" \
	--from-literal=sharing="$(label sharing-strategy)" \
	--from-literal=allocatable="$(echo "$node" | jq -r '.status.allocatable["nvidia.com/gpu"]')" | kubectl apply -f -
