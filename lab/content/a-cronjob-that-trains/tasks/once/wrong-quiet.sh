# As it lies there: the Job is complete, and nothing is registered.
kubectl create configmap trainer --from-file=train.py --dry-run=client -o yaml | kubectl apply -f -
kubectl apply -f cronjob.yaml
kubectl delete job first --ignore-not-found
kubectl create job first --from=cronjob/train
kubectl wait --for=condition=complete job/first --timeout 100s
