kubectl create configmap trainer --from-file=train.py --dry-run=client -o yaml | kubectl apply -f -
sed 's/^            env:/            envFrom:\n            - secretRef: {name: lab}\n            env:/' cronjob.yaml > cronjob-lab.yaml
kubectl apply -f cronjob-lab.yaml
kubectl delete job second --ignore-not-found
kubectl create job second --from=cronjob/train
kubectl wait --for=condition=complete job/second --timeout 100s
